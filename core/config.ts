/**
 * The configuration file: what a process needs to start. One strict zod schema; everything has a safe default.
 * Reading files and the environment is `commands/configuration.ts`; this module only says what the words mean.
 */
import * as z from "zod";

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

const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "an HTTP header name");

/** Where a secret comes from: an environment variable or a file. Never the configuration file itself. */
const secretSource = z.strictObject({
  env: z.string().min(1).optional().describe("Name of the environment variable that holds the value."),
  file: z.string().min(1).optional().describe(
    "Path of a file whose content, without a final line break, is the value.",
  ),
}).refine(
  (source) => (source.env === undefined) !== (source.file === undefined),
  'give either "env" or "file"',
);
export type SecretSource = z.infer<typeof secretSource>;

const upstream = z.strictObject({
  url: z.url({ protocol: /^https?$/ })
    .refine((url) => !/^[a-z]+:\/\/[^/?#]*@/i.test(url), 'put credentials into "headers", not into the URL')
    .describe("MCP endpoint of the tool server (Streamable HTTP)."),
  tenants: z.array(z.union([z.literal("*"), tenantName])).min(1).default(["*"])
    .describe('Tenants that may use it; "*" is every tenant.'),
  headers: z.record(headerName, secretSource).default({})
    .describe("The upstream's own credential: request headers whose values are secrets."),
  timeout_ms: z.int().min(100).max(3_600_000).default(60_000)
    .describe("A call that has not ended after this time is given up and recorded as unknown."),
  max_response_bytes: z.int().min(1024).max(1_073_741_824).default(16 * 1024 * 1024)
    .describe("A longer answer is cut off and recorded as upstream_failed."),
  refusals: z.enum(["error", "tool_result"]).default("error")
    .describe("How a refused call is answered: a JSON-RPC error, or a tool result with isError true."),
});
export type UpstreamConfig = z.infer<typeof upstream>;

const stage = z.strictObject({
  check: z.string().min(1).describe("Name of a check."),
  options: z.record(z.string(), z.unknown()).default({}).describe("Options of that check."),
});
export type StageConfig = z.infer<typeof stage>;

export const configSchema = z.strictObject({
  listen: z.string().default("127.0.0.1:8080").describe("Address and port of the listener."),
  admin_listen: z.string().optional().describe(
    "A second listener for the admin API, /metrics and /readyz; the first then serves only /mcp and /healthz.",
  ),
  data_dir: z.string().min(1).default("./.intentgate")
    .describe("Folder of the generated keys, the operator token and the embedded database."),
  public_url: z.url({ protocol: /^https?$/ }).optional()
    .describe("URL under which agents reach the gateway; default: from the listener."),
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
  max_body_bytes: z.int().min(1024).max(64 * 1024 * 1024).default(4 * 1024 * 1024)
    .describe("A longer request body is refused with 413."),
  drain_timeout_ms: z.int().min(0).max(600_000).default(10_000)
    .describe("How long calls in flight may take to end after SIGTERM."),
  upstreams: z.record(upstreamName, upstream).optional()
    .describe('Tool servers by name. Without any, the demo upstream "acme" is started.'),
  pipeline: z.array(stage).min(1)
    .default([{ check: "capability", options: {} }, { check: "policy", options: {} }, {
      check: "budget",
      options: {},
    }])
    .describe("The checks, in order. The first must establish the principal."),
});
export type Config = z.infer<typeof configSchema>;
