import { RateLimitService } from "../../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { WHOLE_API } from "../calls/services.ts";

/** The services that gRPC answers. */
export const SERVICES = [...WHOLE_API, RateLimitService, Health, ServerReflection, ServerReflectionAlpha];
