/** Decisions against a call that no check spoke, and what the caller is told of a decision. */
import type { Decision, ToolCall, ToolDefinition } from "../core/call.ts";
import { NOT_AVAILABLE, NOT_AVAILABLE_REASON, UNAUTHENTICATED_CODES } from "../core/refusal_codes.ts";
import type { Refusal } from "../mcp/port.ts";
import { toolFact } from "../core/tool_fact.ts";
import { addFact, endRun, type Run } from "./runner.ts";

export type Refused = { readonly kind: "refused"; readonly refusal: Refusal };

/** The one answer for what does not exist and for what the caller may not see; the trail keeps the truth. */
export function notAvailable(run: Run, truth: string, check = "catalogue"): Decision {
  const decision = endRun(run, "capability", {
    kind: "block",
    code: NOT_AVAILABLE,
    reason: NOT_AVAILABLE_REASON,
  });
  const trail = [...run.trail, { check, verdict: "block" as const, code: truth, micros: 0 }];
  return { ...decision, trail };
}

/** The tool waits for an operator, or was blocked by one. */
export function heldBy(run: Run, definition: ToolDefinition): Decision {
  const truth = definition.pin?.state === "blocked" ? "tool_blocked" : "tool_quarantined";
  return notAvailable(addFact(run, "tool", toolFact(definition)), truth);
}

/** A check says that the caller may never use the name. */
export function hiddenBy(run: Run, check: string): Decision {
  return notAvailable(run, "not_listed", check);
}

/** The decision that a fault of the gateway's own is. */
export function faultDecision(run: Run, code: string, reason: string): Decision {
  return endRun(run, "gateway", { kind: "block", code, reason });
}

/** What the caller is told of a decision that is no allow. */
export function refused(call: ToolCall, decision: Decision): Refused {
  const code = decision.code ?? "check_failed";
  return {
    kind: "refused",
    refusal: {
      check: decision.check ?? "gateway",
      code,
      reason: decision.reason ?? "The call was refused",
      decisionId: call.id,
      ...(decision.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: decision.retryAfterSeconds }),
      unauthenticated: UNAUTHENTICATED_CODES.has(code),
    },
  };
}

/** A refusal that no decision stands behind: nothing could be decided or recorded. */
export function fault(call: ToolCall, code: string, reason: string, retryAfterSeconds?: number): Refused {
  return {
    kind: "refused",
    refusal: {
      ...{ check: "gateway", code, reason, decisionId: call.id, unauthenticated: false },
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    },
  };
}
