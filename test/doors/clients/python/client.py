"""Makes the calls it is given on stdin, a JSON object a line, and answers likewise, each when it is done.

Knows nothing of Tally beforehand: messages and errors come from the server's reflection.
"""

import functools
import json
import sys
import threading

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def connect(address, ca_file=None):
    if ca_file is None:
        return grpc.insecure_channel(address)
    with open(ca_file, "rb") as ca:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca.read()))


channel = connect(*sys.argv[1:])
pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
service = pool.FindServiceByName("tally.v1.CounterService")
Status = GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))
ErrorInfo = GetMessageClass(pool.FindMessageTypeByName("google.rpc.ErrorInfo"))
printing = threading.Lock()


@functools.cache
def stub_of(method):
    descriptor = service.methods_by_name[method]
    Request = GetMessageClass(descriptor.input_type)
    stub = channel.unary_unary(
        f"/{service.full_name}/{method}",
        request_serializer=Request.SerializeToString,
        response_deserializer=GetMessageClass(descriptor.output_type).FromString,
    )
    return Request, stub


def call(id, method, request, metadata={}, timeoutMs=10_000, cancelAfterMs=None):
    Request, stub = stub_of(method)
    parsed = ParseDict(request, Request())
    future = stub.future(parsed, timeout=timeoutMs / 1000, metadata=tuple(metadata.items()))
    if cancelAfterMs is not None:
        threading.Timer(cancelAfterMs / 1000, future.cancel).start()
    future.add_done_callback(lambda done: tell({"id": id, **answer(done)}))


def answer(done):
    if done.code() is grpc.StatusCode.OK:
        return {"ok": MessageToDict(done.result())}
    return {"error": {"status": done.code().name, **error_info(done.trailing_metadata() or ())}}


def error_info(trailers):
    details = dict(trailers).get("grpc-status-details-bin", b"")
    for detail in Status.FromString(details).details:
        info = ErrorInfo()
        if detail.Unpack(info) and info.domain == "tally":
            return {"reason": info.reason, "metadata": dict(info.metadata)}
    return {"metadata": {}}


def tell(answer):
    with printing:
        print(json.dumps(answer), flush=True)


for line in sys.stdin:
    call(**json.loads(line))
