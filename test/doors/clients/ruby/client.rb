# Makes the calls it is given on stdin, a JSON object a line, and answers likewise, by the stubs that were generated.

require "json"
require "google/protobuf/well_known_types"
require "google/rpc/error_details_pb"
require "tally/v1/counter_service_services_pb"

Service = Tally::V1::CounterService::Service
STATUS_NAMES = GRPC::Core::StatusCodes.constants.to_h { |name| [GRPC::Core::StatusCodes.const_get(name), name] }

def answer(stub, method, request)
  rpc = Service.rpc_descs.fetch(method.to_sym)
  response = stub.public_send(GRPC::GenericService.underscore(method), rpc.input.decode_json(JSON.generate(request)))
  { ok: JSON.parse(rpc.output.encode_json(response)) }
rescue GRPC::BadStatus => e
  { error: { status: STATUS_NAMES.fetch(e.code), metadata: {}, **error_info(e) } }
end

def error_info(error)
  packed = error.to_rpc_status&.details.to_a
  infos = packed.filter_map { |detail| detail.unpack(Google::Rpc::ErrorInfo) if detail.is(Google::Rpc::ErrorInfo) }
  info = infos.find { |each| each.domain == "tally" } or return {}
  { reason: info.reason, metadata: info.metadata.to_h }
end

stub = Tally::V1::CounterService::Stub.new(ARGV.fetch(0), :this_channel_is_insecure, timeout: 10)
$stdout.sync = true
$stdin.each_line do |line|
  call = JSON.parse(line)
  puts JSON.generate(answer(stub, call.fetch("method"), call.fetch("request")))
end
