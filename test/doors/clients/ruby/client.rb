# Makes the calls it is given on stdin, a JSON object a line, and answers likewise, each when it is done, by the stubs
# that were generated.

require "json"
require "google/protobuf/well_known_types"
require "google/rpc/error_details_pb"
require "tally/v1/counter_service_services_pb"

Service = Tally::V1::CounterService::Service
STATUS_NAMES = GRPC::Core::StatusCodes.constants.to_h { |name| [GRPC::Core::StatusCodes.const_get(name), name] }

def answer(stub, method, request, how)
  rpc = Service.rpc_descs.fetch(method.to_sym)
  parsed = rpc.input.decode_json(JSON.generate(request))
  deadline = Time.now + how.fetch("timeoutMs", 10_000) / 1000.0
  metadata = how.fetch("metadata", {})
  operation = stub.public_send(
    GRPC::GenericService.underscore(method), parsed, metadata: metadata, deadline: deadline, return_op: true
  )
  cancel(operation, how["cancelAfterMs"])
  { ok: JSON.parse(rpc.output.encode_json(operation.execute)) }
rescue GRPC::BadStatus => e
  { error: { status: STATUS_NAMES.fetch(e.code), metadata: {}, **error_info(e) } }
end

def cancel(operation, after_ms)
  return if after_ms.nil?

  Thread.new do
    sleep(after_ms / 1000.0)
    operation.cancel
  end
end

def error_info(error)
  packed = error.to_rpc_status&.details.to_a
  infos = packed.filter_map { |detail| detail.unpack(Google::Rpc::ErrorInfo) if detail.is(Google::Rpc::ErrorInfo) }
  info = infos.find { |each| each.domain == "tally" } or return {}
  { reason: info.reason, metadata: info.metadata.to_h }
end

stub = Tally::V1::CounterService::Stub.new(ARGV.fetch(0), :this_channel_is_insecure)
$stdout.sync = true
Thread.abort_on_exception = true
printing = Mutex.new
calls = $stdin.each_line.map do |line|
  Thread.new(JSON.parse(line)) do |call|
    told = { id: call["id"], **answer(stub, call.fetch("method"), call.fetch("request"), call) }
    printing.synchronize { puts JSON.generate(told) }
  end
end
calls.each(&:join)
