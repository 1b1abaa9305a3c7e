"""Makes the calls it is given on stdin, a JSON object a line, and answers likewise.

Knows nothing of Tally beforehand: messages and errors come from the server's reflection.
"""

import json
import sys

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


def call(method, request):
    descriptor = service.methods_by_name[method]
    Request = GetMessageClass(descriptor.input_type)
    Response = GetMessageClass(descriptor.output_type)
    stub = channel.unary_unary(
        f"/{service.full_name}/{method}",
        request_serializer=Request.SerializeToString,
        response_deserializer=Response.FromString,
    )
    try:
        return {"ok": MessageToDict(stub(ParseDict(request, Request()), timeout=10))}
    except grpc.RpcError as error:
        return {"error": {"status": error.code().name, **error_info(error)}}


def error_info(error):
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    for detail in Status.FromString(details).details:
        info = ErrorInfo()
        if detail.Unpack(info) and info.domain == "tally":
            return {"reason": info.reason, "metadata": dict(info.metadata)}
    return {"metadata": {}}


for line in sys.stdin:
    print(json.dumps(call(**json.loads(line))), flush=True)
