// Makes the calls it is given on stdin, a JSON object a line, and answers likewise, by the stubs that were generated.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"reflect"
	"time"

	"counting/tally"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

type call struct {
	Method  string          `json:"method"`
	Request json.RawMessage `json:"request"`
}

type answer struct {
	OK    json.RawMessage `json:"ok,omitempty"`
	Error *problem        `json:"error,omitempty"`
}

type problem struct {
	Status   string            `json:"status"`
	Reason   string            `json:"reason,omitempty"`
	Metadata map[string]string `json:"metadata"`
}

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	defer connection.Close()
	stub := tally.NewCounterServiceClient(connection)
	calls, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var next call
		if err := calls.Decode(&next); errors.Is(err, io.EOF) {
			return
		} else {
			must(err)
		}
		must(answers.Encode(answerOf(stub, next)))
	}
}

// answerOf makes a call by the stub's method of that name.
func answerOf(stub tally.CounterServiceClient, made call) answer {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	method := reflect.ValueOf(stub).MethodByName(made.Method)
	request := reflect.New(method.Type().In(1).Elem())
	must(protojson.Unmarshal(made.Request, request.Interface().(proto.Message)))
	results := method.Call([]reflect.Value{reflect.ValueOf(ctx), request})
	if err, failed := results[1].Interface().(error); failed {
		return answer{Error: problemOf(status.Convert(err))}
	}
	response, err := protojson.Marshal(results[0].Interface().(proto.Message))
	must(err)
	return answer{OK: response}
}

func problemOf(status *status.Status) *problem {
	found := &problem{Status: code.Code(status.Code()).String(), Metadata: map[string]string{}}
	for _, detail := range status.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Domain == "tally" {
			found.Reason, found.Metadata = info.Reason, info.Metadata
		}
	}
	return found
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
