/** Every method that is served, by its name: those of the API, Envoy's, health's and reflection's. */
export const RPCS = [
  ...["CreateCounter", "GetCounter", "BatchGetCounters", "ListCounters", "TopCounters", "SumCounters"],
  ...["UpdateCounter", "DeleteCounter", "Increment", "Decrement", "Set", "Reset", "BatchApply"],
  ...["DeleteCounters", "ResetCounters"],
  ...["QueryHistory", "ListChanges"],
  ...["TakeLimit", "TakeLimits", "GiveBackLimit"],
  ...["SetPolicy", "GetPolicy", "ListPolicies", "DeletePolicy"],
  ...["CreatePrincipal", "GetPrincipal", "ListPrincipals", "UpdatePrincipal", "DeletePrincipal"],
  ...["CreateApiKey", "ListApiKeys", "RevokeApiKey"],
  ...["CreateBinding", "ListBindings", "DeleteBinding"],
  ...["WhoAmI", "CheckAccess", "ListDenied", "GetServerInfo", "Backup", "Verify"],
  "ShouldRateLimit",
  ...["Check", "List", "Watch", "ServerReflectionInfo"],
  "other", // What a server has beside these.
] as const;
