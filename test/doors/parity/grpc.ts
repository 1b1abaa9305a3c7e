import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ServiceError } from "@grpc/grpc-js";
import { Client } from "../../transports/door.ts";
import { errorOf, methodOf, okOf, type ParityDoor, requestOf } from "./door.ts";

/** Native gRPC: the client of grpc-js. */
export const grpc: ParityDoor = {
  name: "gRPC",
  open({ door, ca }) {
    const client = new Client(door.grpcPort, {}, ca);
    return {
      close: () => client.close(),
      async call(name, request) {
        const { input, output, parent } = methodOf(name);
        try {
          const bytes = toBinary(input, requestOf(name, request));
          return okOf(name, fromBinary(output, await client.raw(`/${parent.typeName}/${name}`, bytes)));
        } catch (error) {
          const [status] = (error as ServiceError).metadata?.get("grpc-status-details-bin") ?? [];
          if (!(status instanceof Uint8Array)) throw error;
          return errorOf(status);
        }
      },
    };
  },
};
