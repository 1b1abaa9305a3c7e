import { shortened } from "../json/parse.ts";
import type { HttpRoute } from "./engine.ts";
import { sendRefusal } from "./message.ts";

/** Answers all that comes to a port of gRPC's own and is none. */
export function grpcOnlyRoute(): HttpRoute {
  return (request, response) => {
    const expected = "must be application/grpc on this port; REST, Connect and gRPC-Web are on the other";
    const got = shortened(request.header("content-type") ?? "none");
    sendRefusal(response, { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got });
    return true;
  };
}
