/** Runs the stages of a pipeline over one call, in order, under one deadline. */
import type { Decision, Facts, ToolCall, TrailEntry, Verdict } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import type { Stage } from "../plugins/loading.ts";
import type { Deadlines } from "./deadlines.ts";

/** A run under way: the facts so far and what the stages said. */
export interface Run {
  readonly facts: Facts;
  readonly trail: readonly TrailEntry[];
}

/** Either the run may go on, or it has ended in a decision. */
export type RunResult =
  | { readonly kind: "go"; readonly run: Run }
  | { readonly kind: "ended"; readonly decision: Decision };

export const EMPTY_RUN: Run = { facts: Object.freeze({}), trail: [] };

/** What a stage's time and verdict are reported to. */
export type OnStage = (check: string, verdict: TrailEntry["verdict"], seconds: number) => void;

export interface RunOptions {
  readonly deadlines: Deadlines;
  readonly nowMs: () => number;
  readonly onStage?: OnStage | undefined;
  readonly onFault: (check: string, call: ToolCall, error: unknown) => void;
}

/** Runs `stages` and returns the decision, or the run when all of them passed or skipped. */
export async function runStages(
  stages: readonly Stage[],
  call: ToolCall,
  start: Run,
  options: RunOptions,
): Promise<RunResult> {
  let facts = start.facts;
  const trail = [...start.trail];
  for (const stage of stages) {
    const started = performance.now();
    const answered = await askStage(stage, call, facts, options);
    const elapsedMs = performance.now() - started;
    trail.push(trailEntry(stage.name, answered, elapsedMs));
    options.onStage?.(stage.name, answered.fault ? "fault" : answered.verdict.kind, elapsedMs / 1000);
    const { verdict } = answered;
    if (verdict.kind === "block" || verdict.kind === "escalate") {
      return {
        kind: "ended",
        decision: decisionOf(answered.fault ? "gateway" : stage.name, verdict, trail, facts),
      };
    }
    if (verdict.kind === "pass" && verdict.facts !== undefined) {
      facts = withFacts(facts, stage, verdict.facts);
    }
  }
  return { kind: "go", run: { facts, trail } };
}

/** Adds one fact of the runner's own, for example the tool's definition. */
export function addFact(run: Run, name: string, fact: JsonObject): Run {
  return { ...run, facts: Object.freeze({ ...run.facts, [name]: fact }) };
}

/** Ends a run with a refusal that no stage spoke. */
export function endRun(
  run: Run,
  check: string,
  verdict: Extract<Verdict, { kind: "block" }>,
): Decision {
  const trail = [...run.trail, { check, verdict: "block" as const, code: verdict.code, micros: 0 }];
  return decisionOf(check, verdict, trail, run.facts);
}

interface Answered {
  readonly verdict: Verdict;
  readonly fault: boolean;
}

async function askStage(stage: Stage, call: ToolCall, facts: Facts, options: RunOptions): Promise<Answered> {
  try {
    if (options.nowMs() >= call.deadlineMs) {
      throw new GatewayError("check_timeout", `The deadline passed before check "${stage.name}" ran`);
    }
    const abort = new AbortController();
    const verdict = stage.check.run(call, facts, abort.signal);
    const settled = verdict instanceof Promise
      ? await options.deadlines.race(verdict, call.deadlineMs, () => {
        abort.abort();
        return new GatewayError(
          "check_timeout",
          `Check "${stage.name}" did not answer before the call's deadline`,
        );
      })
      : verdict;
    return { verdict: parseVerdict(stage.name, settled), fault: false };
  } catch (error) {
    options.onFault(stage.name, call, error);
    const code = error instanceof GatewayError ? error.code : "check_failed";
    return {
      verdict: { kind: "block", code, reason: `The check "${stage.name}" could not decide` },
      fault: true,
    };
  }
}

/** A verdict of a known kind with members of the right type, or a fault. */
function parseVerdict(name: string, value: unknown): Verdict {
  const verdict = isJsonObject(value) ? value : {};
  const text = (member: unknown) => typeof member === "string" && member !== "";
  const good = (verdict.kind === "pass" && (verdict.facts === undefined || isJsonObject(verdict.facts))) ||
    (verdict.kind === "skip" && text(verdict.reason)) ||
    (verdict.kind === "block" && text(verdict.code) && text(verdict.reason)) ||
    (verdict.kind === "escalate" && text(verdict.reason));
  if (!good) {
    throw new GatewayError("check_failed", `Check "${name}" answered with something that is no verdict`);
  }
  return value as Verdict;
}

function withFacts(facts: Facts, stage: Stage, added: JsonObject): Facts {
  return Object.freeze({
    ...facts,
    [stage.name]: added,
    ...(stage.establishesPrincipal ? { principal: added } : {}),
  });
}

function trailEntry(check: string, answered: Answered, elapsedMs: number): TrailEntry {
  const { verdict, fault } = answered;
  return {
    check,
    verdict: fault ? "fault" : verdict.kind,
    ...(verdict.kind === "block" ? { code: verdict.code } : {}),
    micros: Math.round(elapsedMs * 1000),
  };
}

function decisionOf(
  check: string,
  verdict: Extract<Verdict, { kind: "block" | "escalate" }>,
  trail: readonly TrailEntry[],
  facts: Facts,
): Decision {
  return {
    decision: verdict.kind,
    check,
    code: verdict.kind === "block" ? verdict.code : "approval_required",
    reason: verdict.reason,
    ...(verdict.kind === "block" && verdict.retryAfterSeconds !== undefined
      ? { retryAfterSeconds: verdict.retryAfterSeconds }
      : {}),
    trail,
    facts,
  };
}
