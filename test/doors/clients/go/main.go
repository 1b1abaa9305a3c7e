// Makes the calls it is given on stdin, a JSON object a line, and answers likewise, each when it is done, by the stubs that
// were generated.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"reflect"
	"sync"
	"time"

	"counting/tally"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

type call struct {
	ID            int               `json:"id"`
	Method        string            `json:"method"`
	Request       json.RawMessage   `json:"request"`
	Metadata      map[string]string `json:"metadata"`
	TimeoutMs     float64           `json:"timeoutMs"`
	CancelAfterMs *float64          `json:"cancelAfterMs"`
}

type answer struct {
	ID    int             `json:"id"`
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
	var under sync.WaitGroup
	var printing sync.Mutex
	defer under.Wait()
	for {
		next := call{TimeoutMs: 10_000}
		if err := calls.Decode(&next); errors.Is(err, io.EOF) {
			return
		} else {
			must(err)
		}
		under.Go(func() {
			told := answerOf(stub, next)
			printing.Lock()
			defer printing.Unlock()
			must(answers.Encode(told))
		})
	}
}

// answerOf makes a call by the stub's method of that name.
func answerOf(stub tally.CounterServiceClient, made call) answer {
	ctx, cancel := context.WithTimeout(context.Background(), milliseconds(made.TimeoutMs))
	defer cancel()
	if made.CancelAfterMs != nil {
		time.AfterFunc(milliseconds(*made.CancelAfterMs), cancel)
	}
	for name, value := range made.Metadata {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	method := reflect.ValueOf(stub).MethodByName(made.Method)
	request := reflect.New(method.Type().In(1).Elem())
	must(protojson.Unmarshal(made.Request, request.Interface().(proto.Message)))
	results := method.Call([]reflect.Value{reflect.ValueOf(ctx), request})
	if err, failed := results[1].Interface().(error); failed {
		return answer{ID: made.ID, Error: problemOf(status.Convert(err))}
	}
	response, err := protojson.Marshal(results[0].Interface().(proto.Message))
	must(err)
	return answer{ID: made.ID, OK: response}
}

func milliseconds(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond))
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
