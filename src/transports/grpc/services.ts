import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";

/** The services that gRPC answers. */
export const SERVICES = [CounterService, Health, ServerReflection, ServerReflectionAlpha];
