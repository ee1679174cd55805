import * as z from "zod";
import { routeSpec } from "./route.ts";
import { page, pageQuery, reason, seconds } from "./words.ts";

const upstream = z.string().regex(
  /^[a-z0-9][a-z0-9_-]{0,62}$/,
  "an upstream name matches [a-z0-9][a-z0-9_-]{0,62}",
);
const state = z.enum(["pinned", "changed", "new", "blocked"]);
const digest = z.string().regex(/^v1:[0-9a-f]{64}$/, "a digest: v1: and 64 hexadecimal digits")
  .describe("Digest of a definition.");
/** `upstream/tool`; upstream names have no slash. */
// deno-lint-ignore no-control-regex
const cursor = z.string().regex(/^[a-z0-9_-]{1,63}\/[^\u0000]{1,256}$/u, "upstream/tool");

const listed = {
  upstream,
  name: z.string(),
  state: state.describe(
    "`pinned`: it is what was trusted. `changed`: the upstream shows another definition. `new`: nobody has trusted it. " +
      "`blocked`: an operator has forbidden it.",
  ),
  listed: z.boolean().describe("Whether the upstream listed it when it was last read."),
  digest: digest.optional().describe("Of the pinned definition; absent until the tool is trusted."),
  seen: digest.optional().describe("Of the definition that the upstream shows instead."),
};
const definition = z.looseObject({}).describe("What is pinned of a tool: see tool_pins.md.");

const params = z.strictObject({ upstream, name: z.string().min(1).max(256) });
const unknown = {
  code: "unknown_tool",
  when: "No reading of an upstream that the operator's tenants may use has shown such a tool.",
  detail: "No upstream that you may see has shown such a tool",
};
const reach = "An upstream that other tenants may use too takes an operator of all of them.";
const answered = z.strictObject(listed);

/** Pins of the upstreams' tools. */
export const TOOL_ROUTES = {
  list: routeSpec({
    id: "listTools",
    ...{ method: "GET", path: "/tools", access: { role: "viewer", scope: "own" } },
    summary:
      "List the tools of upstreams that the operator's tenants may use, and how they stand to their pins",
    query: pageQuery(cursor, {
      upstream: upstream.optional().describe("Only of this upstream."),
      state: state.optional().describe("Only in this state."),
    }),
    answer: {
      status: 200,
      description: "One page, in the order of upstreams and names.",
      schema: page(
        "tools",
        z.strictObject({
          ...listed,
          flags: z.int().min(0).describe("How many odd things its definition has."),
        }),
        cursor,
      ),
    },
  }),
  show: routeSpec({
    id: "getTool",
    ...{ method: "GET", path: "/tools/{upstream}/{name}", access: { role: "viewer", scope: "tenant" } },
    summary: "Show a tool: what is pinned, what the upstream shows instead, the difference, and what is odd",
    ...{ params, unknown },
    answer: {
      status: 200,
      description: "The tool.",
      schema: z.strictObject({
        ...listed,
        pinned: z.strictObject({ definition, at: seconds, by: z.string() }).optional()
          .describe("`by` is an operator, `~first-use` or `~allow`."),
        current: z.strictObject({ definition, since: seconds }).optional()
          .describe("What the upstream shows, where that is not the pinned definition."),
        blocked: z.strictObject({ at: seconds, by: z.string() }).optional(),
        report: z.strictObject({
          changes: z.array(z.strictObject({
            effect: z.enum(["widened", "narrowed", "wording", "annotation", "other"]),
            pointer: z.string(),
            what: z.string(),
            before: z.unknown().optional(),
            after: z.unknown().optional(),
          })).describe("From the pinned definition to the current one; the weightiest first."),
          changes_text: z.string().describe("The same as lines for a person."),
          flags: z.array(z.strictObject({
            kind: z.string(),
            severity: z.enum(["danger", "notice"]),
            pointer: z.string(),
            position: z.int().min(0),
            reason: z.string(),
          })).describe("What is odd about the current definition. Proof of nothing."),
        }).describe("For whoever must decide about it."),
      }),
    },
  }),
  approve: routeSpec({
    id: "approveTool",
    ...{
      method: "POST",
      path: "/tools/{upstream}/{name}/approve",
      access: { role: "operator", scope: "tenant" },
    },
    summary: "Trust a tool as the upstream shows it; ends a block too",
    ...{ params, unknown },
    body: z.strictObject({
      digest: digest.describe("`seen`, or where that is absent `digest`: what the operator looked at."),
      reason,
    })
      .meta({ examples: [{ digest: `v1:${"0".repeat(64)}`, reason: "The new argument is harmless" }] }),
    mayTakeMore: reach,
    answer: {
      status: 200,
      description: "The tool is pinned, on every replica within a second.",
      schema: answered,
    },
    problems: { 409: [{ code: "digest_conflict", when: "The upstream shows another definition by now." }] },
  }),
  block: routeSpec({
    id: "blockTool",
    ...{
      method: "POST",
      path: "/tools/{upstream}/{name}/block",
      access: { role: "operator", scope: "tenant" },
    },
    summary: "Hide and refuse a tool, whatever becomes of its definition, until it is approved",
    ...{ params, unknown },
    body: z.strictObject({ reason }).meta({ examples: [{ reason: "It sends files to somebody else" }] }),
    mayTakeMore: reach,
    answer: {
      status: 200,
      description: "The tool is blocked, on every replica within a second.",
      schema: answered,
    },
  }),
} as const;
