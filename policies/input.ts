/**
 * The one input document of a Rego policy, described in `docs/reference/policy_input.md`. It is built member by member:
 * what is not named here does not reach a policy, and a credential is named nowhere.
 */
import type { Facts, ToolCall, ToolDefinition } from "../core/call.ts";
import type { JsonObject } from "../core/json.ts";
import { principalFacts, principalOf } from "../core/principal.ts";
import { toolFact } from "../core/tool_fact.ts";

/** Facts that have a place of their own in the document. */
const PLACED: ReadonlySet<string> = new Set(["principal", "tool"]);

/** Builds what `input` is for a call, given what the earlier checks established; the principal must be there. */
export function policyInput(call: ToolCall, facts: Facts): JsonObject {
  return {
    call: {
      id: call.id,
      upstream: call.upstream,
      method: call.method,
      name: call.name,
      arguments: call.arguments,
      ...(call.inputResponses === undefined ? {} : { input_responses: call.inputResponses }),
      received_at: Math.floor(call.receivedAtMs / 1000),
    },
    tool: toolOf(facts),
    principal: principalOfCall(facts),
    facts: Object.fromEntries(Object.entries(facts).filter(([check]) => !PLACED.has(check))),
  };
}

/** Something that a list may show. */
export interface ListedName {
  readonly upstream: string;
  /** Of the call that would use it. */
  readonly method: string;
  readonly name: string;
  /** Of a tool: its definition. */
  readonly tool?: ToolDefinition;
  /** Of a tool: whether block 0 of the token names it itself. */
  readonly namedExactly?: boolean | undefined;
}

/** Builds what `input` is before there is a call: the same document without what only a call brings. */
export function listingInput(listed: ListedName, facts: Facts, nowMs: number): JsonObject {
  const { upstream, method, name, tool, namedExactly } = listed;
  const { capability } = facts;
  return {
    listing: true,
    call: { upstream, method, name, received_at: Math.floor(nowMs / 1000) },
    tool: toolOf(tool === undefined ? {} : { tool: toolFact(tool) }),
    principal: principalOfCall(facts),
    facts: capability === undefined ? {} : {
      capability: namedExactly === undefined ? capability : { ...capability, named_exactly: namedExactly },
    },
  };
}

function toolOf(facts: Facts): JsonObject {
  const { known, annotations, description, pin, arguments: fit } = facts.tool ?? {};
  return { known: known === true, annotations: annotations ?? {}, description, pin, arguments: fit };
}

function principalOfCall(facts: Facts): JsonObject {
  const principal = principalOf(facts);
  if (principal === undefined) {
    throw new TypeError("A policy was asked before a check established the principal");
  }
  return principalFacts(principal);
}
