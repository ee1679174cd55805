/** Options that say which audit events are meant: the same for searching, following and exporting. */
import { type OptionDeclarations, UsageError } from "./command.ts";

/** What events must be like; the admin API does it. */
export const EVENT_OPTIONS = {
  agent: { kind: "text", value: "NAME", help: "Only events of this agent." },
  upstream: {
    ...{ kind: "text", value: "NAME", suggests: "upstream" },
    help: "Only events about this tool server.",
  },
  tool: { kind: "text", value: "NAME", help: "Only events about this tool." },
  decision: {
    ...{ kind: "choice", value: "DECISION", choices: ["allow", "block", "escalate"] },
    help: "Only these decisions.",
  },
  check: { kind: "text", value: "NAME", help: "Only decisions that this check made." },
  code: { kind: "text", value: "CODE", help: "Only events with this code, policy_denied for example." },
  event: { kind: "text", value: "KIND", help: "Only events of this kind, call.decided for example." },
  "block-id": {
    ...{ kind: "text", value: "ID" },
    help: "Only events of tokens with this block, and about the block itself.",
  },
  approval: { kind: "text", value: "ID", help: "Only events about this approval." },
  call: { kind: "text", value: "ID", help: "Only the decision with this id and its outcome." },
  from: {
    ...{ kind: "text", value: "TIME" },
    help: "Only events from this time on, like 2027-01-01 or 2027-01-01T08:00Z.",
  },
  to: { kind: "text", value: "TIME", help: "Only events before this time." },
} as const satisfies OptionDeclarations;

/** The parameters of the admin API for these options. */
export function eventQuery(
  { event, "block-id": blockId, call, from, to, ...same }: {
    readonly [Name in keyof typeof EVENT_OPTIONS]: string | undefined;
  },
) {
  const { agent, upstream, tool, decision, check, code, approval } = same;
  return {
    ...{ agent, upstream, tool, decision, check, code, approval },
    ...{ event_code: event, block_id: blockId, decision_id: call },
    from_time: from === undefined ? undefined : secondsOf(from, "from"),
    to_time: to === undefined ? undefined : secondsOf(to, "to"),
  };
}

/** Epoch seconds of a date, or of a time with its zone. */
export function secondsOf(text: string, option: string): number {
  const isKnown = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const ms = isKnown ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(ms) && ms >= 0) return Math.floor(ms / 1000);
  throw new UsageError(
    `--${option} expects a time like 2027-01-01 or 2027-01-01T08:00Z, found "${text.slice(0, 40)}"`,
  );
}
