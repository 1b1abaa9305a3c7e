//! Makes the calls it is given on stdin, a JSON object a line, and answers likewise, each when it is done.
//!
//! Knows nothing of Tally beforehand: messages come from the descriptors that a server gives out.
//! Arguments: the address, and the file of descriptors.

use std::time::Duration;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ServiceDescriptor};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let descriptors = std::fs::read(&args[2]).unwrap();
    let pool = DescriptorPool::decode(descriptors.as_slice()).unwrap();
    let service = pool.get_service_by_name("tally.v1.CounterService").unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", args[1])).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut calls = JoinSet::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let (channel, service) = (channel.clone(), service.clone());
        calls.spawn(async move {
            let call: Value = serde_json::from_str(&line).unwrap();
            println!("{}", answer(channel, &service, &call).await); // A line at a time: it locks.
        });
        while calls.try_join_next().is_some() {}
    }
    calls.join_all().await;
}

async fn answer(channel: Channel, service: &ServiceDescriptor, call: &Value) -> Value {
    let made = make(channel, service, call);
    let result = match call["cancelAfterMs"].as_u64() {
        None => made.await,
        Some(after) => tokio::select! {
            result = made => result,
            _ = tokio::time::sleep(Duration::from_millis(after)) => Err(Status::cancelled("given up")), // Dropped.
        },
    };
    match result {
        Ok(response) => json!({"id": call["id"], "ok": serde_json::to_value(response).unwrap()}),
        Err(status) => json!({"id": call["id"], "error": problem(&status)}),
    }
}

async fn make(channel: Channel, service: &ServiceDescriptor, call: &Value) -> Result<DynamicMessage, Status> {
    let name = call["method"].as_str().unwrap();
    let method = service.methods().find(|method| method.name() == name).unwrap();
    let mut request = Request::new(DynamicMessage::deserialize(method.input(), &call["request"]).unwrap());
    request.set_timeout(Duration::from_millis(call["timeoutMs"].as_u64().unwrap_or(10_000)));
    for (name, value) in call["metadata"].as_object().into_iter().flatten() {
        let key = AsciiMetadataKey::from_bytes(name.as_bytes()).unwrap();
        request.metadata_mut().insert(key, AsciiMetadataValue::try_from(value.as_str().unwrap()).unwrap());
    }
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = format!("/{}/{name}", service.full_name()).parse().unwrap();
    Ok(client.unary(request, path, Dynamic(method.output())).await?.into_inner())
}

fn problem(status: &Status) -> Value {
    let code = match status.code() {
        Code::Cancelled => "CANCELLED",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unavailable => "UNAVAILABLE",
        other => &format!("{other:?}: {}", status.message()),
    };
    match status.get_details_error_info().filter(|info| info.domain == "tally") {
        Some(info) => json!({"status": code, "reason": info.reason, "metadata": info.metadata}),
        None => json!({"status": code, "metadata": {}}),
    }
}

/// Messages of which only the descriptor is known.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> DynamicEncoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder(self.0.clone())
    }
}

struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(into).map_err(|error| Status::internal(error.to_string()))
    }
}

struct DynamicDecoder(MessageDescriptor);

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), from).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
