/** Holds structured results against the output schema of their tool, on their way to the client. */
import type { ToolDefinition } from "../core/call.ts";
import { violationsText } from "../core/tool_checks.ts";
import { type Answer, readIncoming } from "./answer.ts";
import type { Arrival, FrontParts } from "./arrival.ts";
import { type MessageId, refusalMessage } from "./refusals.ts";
import type { RelayPlan } from "./relay.ts";

/** `edit`, after a look at the result; `edit` itself where the tool has no output schema or nobody wants to know. */
export function checkedEdit(
  { onResultUnfit }: FrontParts,
  arrival: Arrival,
  tool: ToolDefinition | undefined,
  edit: RelayPlan["edit"] | undefined,
): RelayPlan["edit"] | undefined {
  const checks = tool?.checks;
  if (tool === undefined || checks?.looksAtResults !== true) return edit;
  const { upstream, id } = arrival.origin;
  return (answer) => {
    const fit = answer.result === undefined ? undefined : checks.result(answer.result.value);
    if (fit?.kind === "invalid") {
      const isBlocked = checks.modes.results === "block";
      onResultUnfit?.({
        ...{ upstream, tool: tool.name, decisionId: id, isBlocked },
        what: violationsText(fit.violations),
      });
      if (isBlocked) return unfitText(answer, id);
    }
    return edit?.(answer) ?? answer.text;
  };
}

/** A result that was withheld; the call itself was made. */
function unfitText(answer: Answer, decisionId: string): string {
  const incoming = readIncoming(answer.text);
  const reason = "The upstream's result does not fit the tool's output schema";
  const refusal = { check: "result", code: "result_invalid", reason, decisionId, unauthenticated: false };
  return JSON.stringify(
    refusalMessage(refusal, incoming.kind === "answer" ? incoming.id as MessageId : null),
  );
}
