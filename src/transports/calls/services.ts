import { AdminService } from "../../../gen/tally/v1/admin_service_pb.ts";
import { BulkService } from "../../../gen/tally/v1/bulk_service_pb.ts";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { HistoryService } from "../../../gen/tally/v1/history_service_pb.ts";
import { LimitService } from "../../../gen/tally/v1/limit_service_pb.ts";
import { PolicyService } from "../../../gen/tally/v1/policy_service_pb.ts";

/** The services of the API that answer one message by one. What is here has its calls in unary.ts. */
export const API = [CounterService, HistoryService, LimitService, PolicyService, AdminService] as const;

/** Those whose methods stream. */
export const STREAMING_API = [BulkService] as const;

/** All of the API: served at every door, described by reflection and in openapi.json, and known to health checks. */
export const WHOLE_API = [...API, ...STREAMING_API] as const;
