import * as z from "zod";
import { tenantName } from "../../core/config.ts";
import { isRestriction, RESTRICTIONS } from "../../core/token/restrictions.ts";
import { routeSpec } from "./route.ts";
import {
  base64url,
  jsonValue,
  page,
  pageQuery,
  plainText,
  seconds,
  tenantQuery,
  tokenText,
  UNKNOWN_TENANT,
} from "./words.ts";

const MAX_TIME_SECONDS = 253_402_300_799;
const jti = base64url(16).describe("The token's id.");
const blockId = base64url(32).describe("Id of the token's first block: what a revocation names.");
const agent = tokenText(200);
const entries = z.array(tokenText(1024)).max(256);

/** A block of a token; names that are no member are told apart from restrictions that nobody enforces. */
const mintBody = z.strictObject({
  tenant: tenantName,
  agent: agent.describe("The agent's name, `sub` of the token."),
  ttl_seconds: z.int().min(1).describe("Lifetime; at most `max_token_lifetime_seconds` of the gateway."),
  upstreams: entries.default(["*"]).describe("Upstreams that may be reached: names or globs."),
  tools: entries.default(["*"]).describe("Tools that may be called: names or globs, also `upstream__tool`."),
  deny_tools: entries.optional().describe("Tools that may not, whatever `tools` says."),
  methods: entries.optional().describe("Methods of MCP: names or globs."),
  prompts: entries.optional().describe("Prompts: names or globs."),
  resources: entries.optional().describe("Resources: URIs or globs."),
  args: z.record(tokenText(1024), z.object({ type: z.literal("object") }).catchall(jsonValue)).optional()
    .describe("What the arguments of a tool must be: schemas by tool, see token.md."),
  nbf: z.int().min(0).max(MAX_TIME_SECONDS).optional().describe("Not valid before, epoch seconds."),
  max_calls: z.int().min(0).max(1_000_000_000).optional().describe("Calls that the token is good for."),
}, {
  error: (issue) => issue.code === "unrecognized_keys" ? unknownMember(issue.keys[0] ?? "") : undefined,
}).meta({
  examples: [
    { tenant: "default", agent: "invoice-bot", ttl_seconds: 3600, tools: ["read_invoice"], max_calls: 100 },
  ],
});

function unknownMember(name: string): string {
  if (isRestriction(name) && name !== "exp") {
    return `No configured check enforces "${name}", so the token would be refused`;
  }
  const known = Object.keys(RESTRICTIONS).filter((restriction) => restriction in mintBody.shape).join(", ");
  return `"${name.slice(0, 60)}" is no restriction; known are ${known}`;
}

/** One minted token, as it is listed; the token itself is not kept. */
export const tokenRow = z.strictObject({
  tenant: tenantName,
  jti,
  block_id: blockId,
  agent,
  issued_at: seconds,
  expires_at: seconds,
  operator: z.string().describe("Who minted it."),
  revoked: z.boolean().describe("Whether its first block is revoked, and with it all made from it."),
});

/** Where the next page begins: time of issue and id of the last row. */
export const tokenCursor = z.string()
  .regex(/^(0|[1-9][0-9]{0,11})\.[A-Za-z0-9_-]{22}$/, "a cursor that a page of tokens gave");

/** Capability tokens. */
export const TOKEN_ROUTES = {
  mint: routeSpec({
    id: "mintToken",
    ...{ method: "POST", path: "/tokens", access: { role: "operator", scope: "tenant" } },
    summary: "Mint a capability token",
    body: mintBody,
    answer: {
      status: 201,
      description: "The token, shown this once.",
      schema: z.strictObject({
        token: z.string().regex(/^[\x21-\x7e]{1,8192}$/).describe("The capability token. It is not kept."),
        ...{ jti, block_id: blockId, expires_at: seconds },
      }),
    },
    problems: {
      404: [UNKNOWN_TENANT],
      422: [{
        code: "unusable_grant",
        when:
          "The body is well formed, but no such token can be: it lives too long, no configured check enforces a " +
          "restriction, `args` contradict themselves, or it would be too large.",
      }],
    },
  }),
  list: routeSpec({
    id: "listTokens",
    ...{ method: "GET", path: "/tokens", access: { role: "viewer", scope: "tenant" } },
    summary: "List what was minted, oldest first",
    query: pageQuery(tokenCursor, {
      tenant: tenantQuery,
      agent: plainText(1, 200).optional().describe("Only tokens of this agent."),
    }),
    answer: {
      status: 200,
      description: "One page, in the order of time of issue.",
      schema: page("tokens", tokenRow, tokenCursor),
    },
    problems: { 404: [UNKNOWN_TENANT] },
  }),
} as const;
