/**
 * The configuration file: what a process needs to start. One strict zod schema; everything has a safe default.
 * Reading files and the environment is `commands/configuration.ts`; this module only says what the words mean.
 */
import * as z from "zod";
import { checkpointPlaces } from "./checkpoint_places.ts";
import { secretHeaders, transportMembers, transportProblems } from "./upstream_transport.ts";

/** Names of tenants: RFC 1035 labels, lower case. */
export const tenantName = z.string().regex(
  /^[a-z0-9][a-z0-9-]{0,62}$/,
  "a tenant name matches [a-z0-9][a-z0-9-]{0,62}",
);

/** Names of upstreams: `__` separates upstream and tool, so it cannot stand inside. */
export const upstreamName = z.string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "an upstream name matches [a-z0-9][a-z0-9_-]{0,62}")
  .refine(
    (name) => !name.includes("__") && !name.endsWith("_"),
    'an upstream name must not contain "__" or end with "_"',
  );

const pinMode = z.enum(["observe", "quarantine", "allow"]).default("quarantine");

/** One tool server. */
export const upstreamSchema = z.strictObject({
  ...transportMembers,
  tenants: z.array(z.union([z.literal("*"), tenantName])).min(1).default(["*"])
    .describe('Tenants that may use it; "*" is every tenant.'),
  headers: secretHeaders.default({})
    .describe("The upstream's own credential: request headers whose values are secrets."),
  timeout_ms: z.int().min(100).max(3_600_000).default(60_000)
    .describe("A call that has not ended after this time is given up and recorded as unknown."),
  max_response_bytes: z.int().min(1024).max(1_073_741_824).default(16 * 1024 * 1024)
    .describe("A longer answer is cut off and recorded as upstream_failed."),
  max_concurrent: z.int().min(1).max(100_000).default(256)
    .describe("Requests that may wait for it at once, per replica; more are refused with upstream_busy."),
  tool_changes: pinMode
    .describe(
      "What happens to a tool whose definition is no longer the pinned one: quarantine hides and refuses it until an " +
        "operator approves, observe lets it pass and records it, allow pins it again.",
    ),
  new_tools: pinMode
    .describe(
      "The same for tools that appear after the first reading of the upstream, which pins what it finds.",
    ),
  client_requests: z.array(z.enum(["elicitation", "sampling", "roots"])).default([])
    .describe("What it may ask the agents' clients; whatever is not named is never offered to it."),
  idle_timeout_ms: z.int().min(100).max(3_600_000).optional()
    .describe(
      "A call whose answer is silent for this long is given up; progress and other messages reset it.",
    ),
  argument_validation: z.enum(["enforce", "report", "off"]).default("enforce")
    .describe(
      "What happens to arguments that do not fit the tool's input schema: refused, or only recorded.",
    ),
  result_validation: z.enum(["block", "report", "off"]).default("report")
    .describe("What happens to a structured result that does not fit the tool's output schema."),
  refusals: z.enum(["error", "tool_result"]).default("error")
    .describe("How a refused call is answered: a JSON-RPC error, or a tool result with isError true."),
}).superRefine((value, context) => {
  for (const [member, message] of transportProblems(value)) {
    context.addIssue({ code: "custom", message, path: [member] });
  }
});
export type UpstreamConfig = z.infer<typeof upstreamSchema>;

const stage = z.strictObject({
  check: z.string().min(1).describe("Name of a check."),
  options: z.record(z.string(), z.unknown()).default({}).describe("Options of that check."),
});
export type StageConfig = z.infer<typeof stage>;

/** Source: RFC 9728 §1.2, a resource identifier has no fragment; paths are appended to it, so it has no query either. */
function isBaseUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && !text.includes("?") && !text.includes("#") && url.username === "" &&
    url.password === "";
}

export const configSchema = z.strictObject({
  listen: z.string().default("127.0.0.1:8080").describe("Address and port of the listener."),
  admin_listen: z.string().optional().describe(
    "A second listener for the admin API, /metrics and /readyz; the first then serves only /mcp and /healthz.",
  ),
  data_dir: z.string().min(1).default("./.intentgate")
    .describe(
      "Folder of the generated keys, the operator token, the embedded database, and of records that wait for the database.",
    ),
  public_url: z.url({ protocol: /^https?$/ })
    .refine(isBaseUrl, "expected a URL without query, fragment and credentials").optional()
    .describe("URL under which agents reach the gateway; default: from the listener."),
  authorization_servers: z.array(z.url({ protocol: /^https?$/ })).default([])
    .describe(
      "Issuers named in the OAuth protected resource metadata (RFC 9728); none: capability tokens only.",
    ),
  allowed_hosts: z.array(z.string().min(1)).default([])
    .describe("Host names accepted in Host and Origin besides loopback names and the one of public_url."),
  issuer: z.string().min(1).max(200).default("intentgate").describe(
    '"iss" of the tokens that this gateway mints.',
  ),
  max_token_lifetime_seconds: z.int().min(1).max(10 * 365 * 86_400).default(90 * 86_400)
    .describe("No token may live longer; enforced at minting and at every verification."),
  revocation_max_age_ms: z.int().min(200).max(600_000).default(5_000)
    .describe("The capability check fails closed when the revocation feed was last read longer ago."),
  decision_timeout_ms: z.int().min(10).max(600_000).default(5_000)
    .describe("Deadline of all checks and of the decision's record together."),
  database_timeout_ms: z.int().min(10).max(600_000).default(3_000)
    .describe("Deadline of one query on the path of a call."),
  late_records_max_bytes: z.int().min(1024 * 1024).max(16 * 1024 ** 3).default(64 * 1024 * 1024)
    .describe(
      "Records that may wait in the data folder while the database is away; more are lost, and the chain says how many.",
    ),
  max_connections: z.int().min(16).max(1_000_000).default(4_096)
    .describe(
      "Connections at once; beyond it, or beyond half of the files the process may open, unused ones are ended.",
    ),
  max_connections_per_address: z.int().min(1).max(1_000_000).optional().describe(
    "The same for one address. Leave it out behind a proxy, from which all connections come.",
  ),
  max_concurrent_decisions: z.int().min(1).max(100_000).default(64)
    .describe(
      "Calls that one replica decides at once; three times as many may wait, more get 503 before they are read.",
    ),
  max_body_bytes: z.int().min(1024).max(64 * 1024 * 1024).default(4 * 1024 * 1024)
    .describe("A longer request body is refused with 413."),
  drain_timeout_ms: z.int().min(0).max(600_000).default(10_000)
    .describe("How long calls in flight may take to end after SIGTERM."),
  log_origin: z.string().regex(
    /^[^\p{White_Space}\p{Cc}+]{1,200}$/u,
    "an origin has no spaces and no plus signs",
  ).optional()
    .describe(
      "Name of the audit logs in checkpoints, followed by the chain; default: from the installation.",
    ),
  checkpoint_interval_seconds: z.int().min(1).max(86_400).default(10)
    .describe("How often a checkpoint is signed for chains with new events."),
  checkpoint_places: checkpointPlaces.default([])
    .describe(
      "Where signed checkpoints are pushed, outside the operator's reach: witnesses, S3, webhooks, files; see " +
        "[checkpoint_places.md](checkpoint_places.md).",
    ),
  verify_interval_seconds: z.int().min(60).max(30 * 86_400).default(21_600)
    .describe("How often all audit chains are verified in the background."),
  heartbeat_seconds: z.int().min(60).max(30 * 86_400).default(86_400)
    .describe("After this time without any event, a chain gets one that says so."),
  unverified_retention_days: z.int().min(1).max(36_500).optional().describe(
    "How long events of the chain ~unverified are kept at least; two operators may prune older ones. Absent: for ever.",
  ),
  installation_retention_days: z.int().min(366).max(36_500).optional().describe(
    "The same for ~installation: at least as long as the token of an operator lives, whose making stands there.",
  ),
  upstreams: z.record(upstreamName, upstreamSchema).optional()
    .describe('Tool servers by name. Without any, the demo upstream "acme" is started.'),
  pipeline: z.array(stage).min(1)
    .default([{ check: "capability", options: {} }, { check: "policy", options: {} }, {
      check: "budget",
      options: {},
    }])
    .describe("The checks, in order. The first must establish the principal."),
});
export type Config = z.infer<typeof configSchema>;
