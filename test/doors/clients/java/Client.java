import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Any;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.ErrorInfo;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Phaser;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Makes the calls it is given on stdin, a JSON object a line, and answers likewise, each when it is done.
 *
 * <p>Knows nothing of Tally beforehand: messages come from the descriptors that a server gives out.
 *
 * <p>Arguments: the address, and the file of descriptors.
 */
final class Client {
  private static final String SERVICE = "tally.v1.CounterService";
  private static final Gson GSON = new Gson();

  private final Channel channel;
  private final Map<String, MethodDescriptor<DynamicMessage, DynamicMessage>> methods = new HashMap<>();
  private final Map<String, DynamicMessage> requests = new HashMap<>();
  private final ScheduledExecutorService cancelling = Executors.newSingleThreadScheduledExecutor();
  private final Phaser calls = new Phaser(1);

  private Client(Channel channel, FileDescriptor file) {
    this.channel = channel;
    for (var method : file.findServiceByName("CounterService").getMethods()) {
      var request = DynamicMessage.getDefaultInstance(method.getInputType());
      var response = DynamicMessage.getDefaultInstance(method.getOutputType());
      requests.put(method.getName(), request);
      methods.put(
          method.getName(),
          MethodDescriptor.<DynamicMessage, DynamicMessage>newBuilder()
              .setType(MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, method.getName()))
              .setRequestMarshaller(ProtoUtils.marshaller(request))
              .setResponseMarshaller(ProtoUtils.marshaller(response))
              .build());
    }
  }

  public static void main(String[] args) throws Exception {
    var set = FileDescriptorSet.parseFrom(Files.readAllBytes(Path.of(args[1])));
    var protos = new HashMap<String, FileDescriptorProto>();
    for (var proto : set.getFileList()) protos.put(proto.getName(), proto);
    var file = built("tally/v1/counter_service.proto", protos, new HashMap<>());
    var channel = ManagedChannelBuilder.forTarget(args[0]).usePlaintext().build();
    var client = new Client(channel, file);
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) client.call(JsonParser.parseString(line).getAsJsonObject());
    client.calls.arriveAndAwaitAdvance();
    client.cancelling.shutdown();
    channel.shutdownNow();
  }

  private static FileDescriptor built(
      String name, Map<String, FileDescriptorProto> protos, Map<String, FileDescriptor> files) throws Exception {
    if (files.containsKey(name)) return files.get(name);
    var proto = protos.get(name);
    var imports = new FileDescriptor[proto.getDependencyCount()];
    for (int i = 0; i < imports.length; i++) imports[i] = built(proto.getDependency(i), protos, files);
    var file = FileDescriptor.buildFrom(proto, imports);
    files.put(name, file);
    return file;
  }

  private void call(JsonObject made) throws Exception {
    var method = made.get("method").getAsString();
    var request = requests.get(method).newBuilderForType();
    JsonFormat.parser().merge(GSON.toJson(made.get("request")), request);
    var metadata = new Metadata();
    if (made.has("metadata")) {
      for (Map.Entry<String, JsonElement> each : made.getAsJsonObject("metadata").entrySet()) {
        metadata.put(Metadata.Key.of(each.getKey(), Metadata.ASCII_STRING_MARSHALLER), each.getValue().getAsString());
      }
    }
    long timeoutMs = made.has("timeoutMs") ? made.get("timeoutMs").getAsLong() : 10_000;
    ClientCall<DynamicMessage, DynamicMessage> call =
        ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(metadata))
            .newCall(methods.get(method), CallOptions.DEFAULT.withDeadlineAfter(timeoutMs, TimeUnit.MILLISECONDS));
    calls.register();
    ClientCalls.asyncUnaryCall(call, request.build(), new Answer(made.get("id").getAsInt()));
    if (made.has("cancelAfterMs")) {
      var afterMs = made.get("cancelAfterMs").getAsLong();
      cancelling.schedule(() -> call.cancel("given up", null), afterMs, TimeUnit.MILLISECONDS);
    }
  }

  /** Tells what a call comes to. */
  private final class Answer implements StreamObserver<DynamicMessage> {
    private final JsonObject told = new JsonObject();

    Answer(int id) {
      told.addProperty("id", id);
    }

    @Override
    public void onNext(DynamicMessage response) {
      try {
        told.add("ok", JsonParser.parseString(JsonFormat.printer().print(response)));
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }

    @Override
    public void onError(Throwable thrown) {
      var error = new JsonObject();
      error.addProperty("status", Status.fromThrowable(thrown).getCode().name());
      error.add("metadata", new JsonObject());
      var status = StatusProto.fromThrowable(thrown);
      if (status != null) {
        for (Any detail : status.getDetailsList()) addTo(error, detail);
      }
      told.add("error", error);
      onCompleted();
    }

    private void addTo(JsonObject error, Any detail) {
      if (!detail.is(ErrorInfo.class)) return;
      try {
        var info = detail.unpack(ErrorInfo.class);
        if (!info.getDomain().equals("tally")) return;
        error.addProperty("reason", info.getReason());
        error.add("metadata", GSON.toJsonTree(info.getMetadataMap()));
      } catch (Exception cause) {
        throw new IllegalStateException(cause);
      }
    }

    @Override
    public void onCompleted() {
      synchronized (System.out) {
        System.out.println(GSON.toJson(told));
      }
      calls.arriveAndDeregister();
    }
  }
}
