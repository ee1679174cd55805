/** Holds structured results against the output schema of their tool, on their way to the client. */
import type { ToolDefinition } from "../core/call.ts";
import { violationsText } from "../core/tool_checks.ts";
import { type Answer, readIncoming, WithheldAnswer } from "./answer.ts";
import type { Arrival, FrontParts } from "./arrival.ts";
import type { CallPath } from "./calls.ts";
import { type MessageId, refusalMessage } from "./refusals.ts";
import type { RelayPlan } from "./relay.ts";
import type { ResolvedUpstream } from "./upstream_connection.ts";

const RESULT_INVALID = "result_invalid";

/**
 * `edit`, after a look at the result; `edit` itself where the tool has no output schema or nobody wants to know. A result that
 * must not pass is thrown as `WithheldAnswer`.
 */
export function checkedEdit(
  { onResultUnfit }: FrontParts,
  arrival: Arrival,
  tool: ToolDefinition | undefined,
  { edit, mayBeQuestion }: Pick<CallPath, "edit" | "mayBeQuestion">,
): RelayPlan["edit"] | undefined {
  const checks = tool?.checks;
  if (tool === undefined || checks?.looksAtResults !== true) return edit;
  const { upstream, id } = arrival.origin;
  return (answer) => {
    const { value } = answer.result ?? {};
    const isQuestion = mayBeQuestion === true && value?.resultType === "input_required" &&
      value.structuredContent === undefined;
    const fit = value === undefined || isQuestion ? undefined : checks.result(value);
    if (fit?.kind === "invalid") {
      const isBlocked = checks.modes.results === "block";
      onResultUnfit?.({
        ...{ upstream, tool: tool.name, decisionId: id, isBlocked },
        what: violationsText(fit.violations),
      });
      if (isBlocked) throw new WithheldAnswer(RESULT_INVALID, unfitText(answer, id));
    }
    return edit?.(answer) ?? answer.text;
  };
}

/**
 * `edit` for what a session's own stream brings: an answer there is one to a request that broke off, and nobody knows any
 * more to which tool. Where results that do not fit must not pass, none of a tool does: one without structured content may
 * have been withheld before because of that.
 */
export function resumedEdit(
  arrival: Arrival,
  { result_validation }: Pick<ResolvedUpstream, "result_validation">,
  edit: RelayPlan["edit"],
): RelayPlan["edit"] {
  if (result_validation !== "block") return edit;
  const reason = "The result of a call that broke off cannot be held against its tool's output schema";
  return (answer) => {
    const { value } = answer.result ?? {};
    const isFree = value?.isError === true || !OF_TOOLS.some((name) => value?.[name] !== undefined);
    return isFree ? edit(answer) : unfitText(answer, arrival.origin.id, reason);
  };
}

/** What results of tools have and no other ones; `toolResult` is that of 2024-10-07, which SDKs still read. */
const OF_TOOLS = ["content", "structuredContent", "toolResult"] as const;

const UNFIT = "The upstream's result does not fit the tool's output schema";

/** A result that was withheld; the call itself was made. */
function unfitText(answer: Answer, decisionId: string, reason: string = UNFIT): string {
  const incoming = readIncoming(answer.text);
  const refusal = { check: "result", code: RESULT_INVALID, reason, decisionId, unauthenticated: false };
  return JSON.stringify(
    refusalMessage(refusal, incoming.kind === "answer" ? incoming.id as MessageId : null),
  );
}
