/** One call from arrival to answer: decide → record → forward → settle. */
import type { RefusedAttempts } from "../audit/refused_attempts.ts";
import type { CallAttachments, ConditionRefusal } from "../core/attachments.ts";
import type { Decision, Principal, ToolCall, ToolDefinition } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import { principalOf } from "../core/principal.ts";
import { UNAUTHENTICATED_CODES } from "../core/refusal_codes.ts";
import { toolFact } from "../core/tool_fact.ts";
import type { SchemaAnswer } from "../core/tool_checks.ts";
import { Overloaded } from "../mcp/admission.ts";
import type { Admission, Admitted, CallGateway, CallRoute, GatewayAnswer } from "../mcp/port.ts";
import type { Stage } from "../plugins/loading.ts";
import { judgeArguments } from "./arguments.ts";
import type { Deadlines } from "./deadlines.ts";
import { type AllowedCall, type CallEnding, type Outcomes } from "./outcomes.ts";
import type { Recorder } from "./recorder.ts";
import { fault, faultDecision, hiddenBy, notAvailable, type Refused, refused } from "./refusal.ts";
import { addFact, EMPTY_RUN, endRun, type OnStage, type Run, type RunOptions, runStages } from "./runner.ts";
import { isForeign, type Snapshot } from "./snapshot.ts";
import { type Seen, seeTool, type ToolSight } from "./tool_sight.ts";
import { listsVersion, Visibility } from "./visibility.ts";

export interface CallGatewayOptions {
  readonly snapshot: () => Snapshot;
  readonly attachments: CallAttachments;
  /** The principal of a call whose token verified although the check then refused it (expired, revoked, out of scope). */
  readonly verifiedPrincipal: (call: ToolCall) => Principal | undefined;
  readonly replicaId: string;
  readonly recorder: Recorder;
  readonly deadlines: Deadlines;
  readonly outcomes: Outcomes;
  readonly refusedAttempts: RefusedAttempts;
  readonly nowMs: () => number;
  readonly onStage?: OnStage;
  readonly onDecision?: (decision: Decision["decision"], check: string) => void;
  readonly onFault: (where: string, call: ToolCall, error: unknown) => void;
}

/** The gateway of calls, and how it stops. */
export interface RunningGateway extends CallGateway {
  /** Refuses new calls, waits for those in flight, and records `unknown` for what has not ended by then. */
  drain(timeoutMs: number): Promise<void>;
  inFlight(): number;
  /** Changes whenever the checks may list other things than before for somebody, settings apart. */
  listsVersion(): string;
}

/** A run whose principal stage has passed. */
interface Established {
  readonly kind: "established";
  readonly run: Run;
  readonly principal: Principal;
  readonly snapshot: Snapshot;
}

export function createCallGateway(options: CallGatewayOptions): RunningGateway {
  const gateway = new Gateway(options);
  return {
    admit: (call, credential) => gateway.admit(call, credential),
    handle: (call, credential, route) => gateway.handle(call, credential, route),
    drain: (timeoutMs) => gateway.drain(timeoutMs),
    inFlight: () => options.outcomes.live(),
    listsVersion: () => listsVersion(options.snapshot().stages),
  };
}

class Gateway {
  readonly #options: CallGatewayOptions;
  readonly #runOptions: RunOptions;
  readonly #visibility: Visibility;
  readonly #sight: ToolSight;
  readonly #forwarding = new Map<string, AllowedCall>();
  /** Calls whose checks already know how they ended: a commit confirmed late must not tell them twice. */
  readonly #settled = new WeakSet<ToolCall>();
  #handling = 0;
  #draining = false;

  constructor(options: CallGatewayOptions) {
    this.#options = options;
    const { nowMs, deadlines, onStage, onFault } = options;
    this.#runOptions = { nowMs, deadlines, onStage, onFault };
    this.#visibility = new Visibility({ nowMs, deadlines, onFault });
    this.#sight = { visibility: this.#visibility, deadlines };
  }

  async admit(call: ToolCall, credential: string | undefined): Promise<Admitted | Refused> {
    const established = await this.#establish(call, credential);
    if (established.kind === "refused") return established;
    const { principal, run } = established;
    // A stream asks long after it was opened: by then other checks or settings may be in force.
    const onlooker = () => ({ principal, run, snapshot: this.#options.snapshot() });
    const timeoutMs = call.deadlineMs - call.receivedAtMs;
    return {
      kind: "admitted",
      ...admissionOf(principal),
      lists: (tools) => this.#visibility.tools(onlooker(), tools, timeoutMs),
      listsNames: (named) => this.#visibility.names(onlooker(), named, timeoutMs),
    };
  }

  async handle(call: ToolCall, credential: string | undefined, route: CallRoute): Promise<GatewayAnswer> {
    this.#handling++;
    try {
      const established = await this.#establish(call, credential);
      if (established.kind === "refused") return established;
      if (!route.accepts(admissionOf(established.principal))) return { kind: "session_not_found" };
      return await this.#decide(call, established, route);
    } finally {
      this.#handling--;
    }
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    const until = performance.now() + timeoutMs;
    while ((this.#handling > 0 || this.#forwarding.size > 0) && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const left = [...this.#forwarding.values()];
    await Promise.all(
      left.map((allowed) =>
        this.#options.outcomes.finish(allowed, { kind: "unknown", code: "shutdown" }, [])
      ),
    );
  }

  /** Runs the stage that establishes the principal, and asks whether the tenant may use the upstream at all. */
  async #establish(call: ToolCall, credential: string | undefined): Promise<Established | Refused> {
    if (this.#draining) return fault(call, "shutting_down", "The gateway is shutting down");
    const { attachments } = this.#options;
    attachments.attachCredential(call, credential);
    const snapshot = this.#options.snapshot();
    const result = await runStages(snapshot.stages.slice(0, 1), call, EMPTY_RUN, this.#runOptions);
    if (result.kind === "ended") {
      const principal = this.#options.verifiedPrincipal(call);
      if (principal === undefined) return this.#refuseUnverified(call, result.decision);
      const decision = isForeign(call, snapshot, principal) && !isUnauthenticated(result.decision)
        ? notAvailable({ ...EMPTY_RUN, trail: result.decision.trail }, "unknown_upstream")
        : result.decision;
      return await this.#refuse(call, decision, principal, snapshot, undefined);
    }
    const principal = principalOf(result.run.facts);
    if (principal === undefined) return fault(call, "check_failed", "No check established the principal");
    if (isForeign(call, snapshot, principal)) {
      const decision = notAvailable(result.run, "unknown_upstream");
      return await this.#refuse(call, decision, principal, snapshot, undefined);
    }
    return { kind: "established", run: result.run, principal, snapshot };
  }

  async #decide(call: ToolCall, established: Established, route: CallRoute): Promise<GatewayAnswer> {
    const { principal, snapshot } = established;
    const noPlace = route.reserve();
    if (noPlace !== undefined) {
      const decision = endRun(established.run, "gateway", { kind: "block", ...noPlace });
      return await this.#refuse(call, decision, principal, snapshot, undefined);
    }
    if (call.method === "tools/call") return await this.#decideTool(call, established, route);
    const found = this.#visibility.nameHider(established, call);
    const hider = found instanceof Promise ? await found : found;
    if (hider !== undefined) {
      return await this.#refuse(call, hiddenBy(established.run, hider), principal, snapshot, undefined);
    }
    return await this.#judge(call, established, undefined, route);
  }

  /** What only tools have: a definition, which the arguments must not contradict. */
  async #decideTool(call: ToolCall, established: Established, route: CallRoute): Promise<GatewayAnswer> {
    const { principal, snapshot } = established;
    const startedMs = performance.now();
    let seen: Seen;
    try {
      seen = await seeTool(this.#sight, call, established, route);
    } catch (error) {
      // Nothing is decided yet: who gets no place again may ask again.
      if (error instanceof Overloaded) throw error;
      this.#options.onFault("catalogue", call, error);
      const code = error instanceof GatewayError ? error.code : "upstream_unavailable";
      const decision = faultDecision(established.run, code, "The upstream's tools could not be read");
      return await this.#refuse(call, decision, principal, snapshot, undefined);
    }
    if (performance.now() - startedMs > MAX_UNCHECKED_MS) {
      const again = await runStages(snapshot.stages.slice(0, 1), call, EMPTY_RUN, this.#runOptions);
      if (again.kind === "ended") {
        return await this.#refuse(call, again.decision, principal, snapshot, seen.definition);
      }
    }
    const { definition } = seen;
    if (definition === undefined) {
      return await this.#refuse(call, seen.decision, principal, snapshot, undefined);
    }
    const judged = judgeArguments(call, definition, established.run, route);
    if (judged.decision !== undefined) {
      return await this.#refuse(call, judged.decision, principal, snapshot, definition);
    }
    return await this.#judge(call, established, definition, route, judged.answer);
  }

  /** Asks the stages after the first, and records what they say. */
  async #judge(
    call: ToolCall,
    established: Established,
    definition: ToolDefinition | undefined,
    route: CallRoute,
    answer?: SchemaAnswer,
  ): Promise<GatewayAnswer> {
    const { principal, snapshot } = established;
    const objection = route.objection?.(definition);
    if (objection !== undefined) {
      const decision = endRun(established.run, "gateway", { kind: "block", ...objection });
      return await this.#refuse(call, decision, principal, snapshot, definition);
    }
    for (const condition of route.conditions ?? []) this.#options.attachments.addCondition(call, condition);
    const run = definition === undefined
      ? established.run
      : addFact(established.run, "tool", toolFact(definition, answer));
    const result = await runStages(snapshot.stages.slice(1), call, run, this.#runOptions);
    if (result.kind === "ended") {
      await this.#settle(call, passedStages(snapshot, result.decision), { kind: "not_forwarded" });
      return await this.#refuse(call, result.decision, principal, snapshot, definition);
    }
    const decision: Decision = { decision: "allow", trail: result.run.trail, facts: result.run.facts };
    return await this.#allow(call, decision, established, definition, route);
  }

  /** Records an allow with its conditions; forwards only when that is durable. */
  async #allow(
    call: ToolCall,
    decision: Decision,
    { principal, snapshot }: Established,
    definition: ToolDefinition | undefined,
    route: CallRoute,
  ): Promise<GatewayAnswer> {
    const { outcomes, recorder, attachments } = this.#options;
    const attached = attachments.conditionsOf(call);
    const open = {
      kind: "open_decision",
      decision_id: call.id,
      replica_id: this.#options.replicaId,
    } as const;
    const allowed: AllowedCall = { call, principal, settingsVersion: snapshot.settingsVersion };
    const passed = passedStages(snapshot, decision);
    outcomes.begin(call.id);
    try {
      const result = await recorder.record({
        ...{ call, decision, principal, annotations: definition?.annotations },
        settingsVersion: snapshot.settingsVersion,
        conditions: [open, ...attached.map(({ condition }) => condition)],
      }, {
        onLate: (late) => {
          if (late.status === "appended") void this.#finish(allowed, passed, LATE);
        },
        outcome: async () => {
          await this.#settle(call, passed, { kind: "not_forwarded" }); // which says what is to be given back
          return outcomes.entry(allowed, LATE, attachments.effectsOf(call));
        },
      });
      if (result.status === "conflict") {
        outcomes.abandon(call.id);
        await this.#settle(call, passed, { kind: "not_forwarded" });
        const attached = attachments.conditionsOf(call)[result.condition - 1];
        const refusal = result.full === true ? attached?.refusalWhenFull : attached?.refusal;
        return await this.#conflict(call, decision, principal, snapshot, definition, refusal);
      }
    } catch (error) {
      outcomes.abandon(call.id);
      this.#options.onFault("audit", call, error);
      this.#options.onDecision?.("block", "gateway");
      await this.#settle(call, passed, { kind: "not_forwarded" });
      return fault(call, "audit_unavailable", "The decision could not be recorded", AUDIT_RETRY_SECONDS);
    }
    this.#options.onDecision?.("allow", "none");
    return await this.#forward(allowed, passed, route);
  }

  async #forward(allowed: AllowedCall, passed: readonly Stage[], route: CallRoute): Promise<GatewayAnswer> {
    const { call } = allowed;
    if (this.#draining) {
      await this.#finish(allowed, passed, { kind: "not_forwarded", code: "shutdown" });
      return fault(call, "shutting_down", "The gateway is shutting down");
    }
    if (route.isGone()) {
      await this.#finish(allowed, passed, { kind: "not_forwarded", code: "client_gone" });
      return fault(call, "client_gone", "The client went away before the call was forwarded");
    }
    // Before the answer begins: a drain that does not wait for it records what is known.
    this.#forwarding.set(call.id, allowed);
    const forwarded = await route.forward().catch(async (error) => {
      this.#forwarding.delete(call.id);
      await this.#finish(allowed, passed, { kind: "unknown", code: "internal" });
      throw error;
    });
    forwarded.ending
      .then((ending) => this.#finish(allowed, passed, ending))
      // Nobody waits for this promise: what it throws would end the process. The sweeper writes what is owed.
      .catch((error) => this.#options.onFault("outcome", call, error))
      .finally(() => this.#forwarding.delete(call.id));
    return { kind: "forwarded", response: forwarded.response };
  }

  async #finish(allowed: AllowedCall, passed: readonly Stage[], ending: CallEnding): Promise<void> {
    await this.#settle(allowed.call, passed, ending);
    await this.#options.outcomes.finish(allowed, ending, this.#options.attachments.effectsOf(allowed.call));
  }

  /** Tells the checks that passed the call how it ended, in reverse order and once. */
  async #settle(call: ToolCall, passed: readonly Stage[], ending: CallEnding): Promise<void> {
    if (this.#settled.has(call)) return;
    this.#settled.add(call);
    for (const stage of passed.toReversed()) {
      try {
        await stage.check.settle?.(call, {
          kind: ending.kind,
          ...(ending.code === undefined ? {} : { code: ending.code }),
        });
      } catch (error) {
        this.#options.onFault(stage.name, call, error);
      }
    }
  }

  /** A condition of the append did not hold: nothing was recorded yet, so the block is. */
  async #conflict(
    call: ToolCall,
    decision: Decision,
    principal: Principal,
    snapshot: Snapshot,
    definition: ToolDefinition | undefined,
    refusal: ConditionRefusal | undefined,
  ): Promise<Refused> {
    const run: Run = { facts: decision.facts, trail: decision.trail };
    const blocked = refusal === undefined
      ? faultDecision(run, "audit_unavailable", "The decision could not be recorded")
      : endRun(run, refusal.check, { kind: "block", code: refusal.code, reason: refusal.reason });
    return await this.#refuse(call, blocked, principal, snapshot, definition);
  }

  /** Records a block or an escalation of a known principal, then refuses. */
  async #refuse(
    call: ToolCall,
    decision: Decision,
    principal: Principal,
    snapshot: Snapshot,
    definition: ToolDefinition | undefined,
  ): Promise<Refused> {
    this.#options.onDecision?.(decision.decision, decision.check ?? "gateway");
    try {
      await this.#options.recorder.record({
        ...{ call, decision, principal, annotations: definition?.annotations },
        settingsVersion: snapshot.settingsVersion,
        conditions: [],
      });
    } catch (error) {
      this.#options.onFault("audit", call, error);
      return fault(call, "audit_unavailable", "The decision could not be recorded", AUDIT_RETRY_SECONDS);
    }
    return refused(call, decision);
  }

  #refuseUnverified(call: ToolCall, decision: Decision): Refused {
    const code = decision.code ?? "check_failed";
    this.#options.onDecision?.("block", decision.check ?? "gateway");
    this.#options.refusedAttempts.record({
      ...{ decisionId: call.id, code, method: call.method, upstream: call.upstream },
      ...{ sourceIp: call.sourceIp, timeMs: this.#options.nowMs() },
    });
    return refused(call, decision);
  }
}

/** Who waited longer than this for the upstream's tools is authenticated again: the token may be revoked by now. */
const MAX_UNCHECKED_MS = 100;

/** Nothing was forwarded: whoever was refused because the record was not possible may ask again. */
const AUDIT_RETRY_SECONDS = 1;

const LATE: CallEnding = { kind: "not_forwarded", code: "recorded_late" };

function admissionOf(principal: Principal): Admission {
  const { tenant, agent, blockIds, expiresAt } = principal;
  const rootBlockId = blockIds[0];
  if (rootBlockId === undefined) throw new TypeError("A principal has at least one block id");
  return { tenant, agent, rootBlockId, blockIds, expiresAt };
}

function isUnauthenticated({ code = "" }: Decision): boolean {
  return UNAUTHENTICATED_CODES.has(code);
}

/** The stages that passed the call: those that skipped it, refused it or never saw it have nothing to settle. */
function passedStages(snapshot: Snapshot, { trail }: Decision): readonly Stage[] {
  return snapshot.stages.filter((stage) =>
    trail.some((entry) => entry.check === stage.name && entry.verdict === "pass")
  );
}
