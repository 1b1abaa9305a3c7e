import { createRegistry } from "@bufbuild/protobuf";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

/** What errors carry, for reading and writing google.protobuf.Any in JSON. */
export const DETAILS = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);
