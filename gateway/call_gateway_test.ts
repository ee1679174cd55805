import assert from "node:assert/strict";
import { createAppender } from "../audit/appender.ts";
import type { LateRecord, LateRecords } from "../audit/late_port.ts";
import { createRefusedAttempts, type RefusedAttempt } from "../audit/refused_attempts.ts";
import { type CallAttachments, createCallAttachments } from "../core/attachments.ts";
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import type { ToolCall, ToolDefinition, Verdict } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { principalFacts, principalOf } from "../core/principal.ts";
import { Overloaded } from "../mcp/admission.ts";
import type { CallRoute, ForwardEnding } from "../mcp/port.ts";
import type { Check } from "../plugins/contract.ts";
import { createCallGateway } from "./call_gateway.ts";
import { createDeadlines } from "./deadlines.ts";
import { createOutcomes } from "./outcomes.ts";
import { createRecorder } from "./recorder.ts";
import { type ArgumentMode, ToolChecks } from "../core/tool_checks.ts";

const source = { logId: "log", version: "0", replicaId: "me", configDigest: "c" };
const principal = {
  ...{ tenant: "acme", agent: "a", blockIds: ["root"], delegates: [], jti: "j" },
  ...{ issuedAt: 1, expiresAt: 9e9 },
};
const definition: ToolDefinition = {
  ...{ upstream: "erp", name: "pay", annotations: { destructiveHint: true } },
  inputSchema: { type: "object", properties: { amount: { type: "integer" } } },
};

interface World {
  readonly appendResult?: (entry: AuditEntry) => Promise<AppendResult>;
  readonly second?: Check;
  readonly deadlineInMs?: number;
  readonly isAway?: boolean;
  /** The data folder keeps nothing. */
  readonly hasNoRoom?: boolean;
}

/** A gateway over real parts; only the database, the token and the upstream are stand-ins. */
function world(options: World = {}) {
  const entries: AuditEntry[] = [];
  const attempts: RefusedAttempt[] = [];
  const settled: string[] = [];
  const attachments: CallAttachments = createCallAttachments();
  let id = 0;
  const newId = () => `e${++id}`;
  const appender = createAppender({
    append: (batch) =>
      Promise.all(batch.map(async (entry): Promise<AppendResult> => {
        const result = await options.appendResult?.(entry) ??
          { status: "appended", seq: entries.length + 1, hash: "" };
        if (result.status === "appended") entries.push(entry);
        return result;
      })),
  });
  const kept: { entry: AuditEntry; record: LateRecord }[] = [];
  const late: Pick<LateRecords, "isAway" | "keep"> = {
    isAway: () => options.isAway === true,
    keep: (entry, record) => Promise.resolve(options.hasNoRoom !== true && kept.push({ entry, record }) > 0),
  };
  const event = {
    appender,
    late,
    source,
    newId,
    nowMs: () => Date.now(),
    randomSalt: () => new Uint8Array(32),
  };
  const deadlines = createDeadlines({ nowMs: () => Date.now(), tickMs: 2 });
  const outcomes = createOutcomes({ ...event, onError: () => {}, retryMs: 5 });
  const attempted = createRefusedAttempts({
    ...{
      source,
      newId,
      settingsVersion: () => 1,
      append: () => Promise.resolve("recorded"),
      onError: () => {},
    },
  });
  const first: Check = {
    run: (call) =>
      attachments.credentialOf(call) === "good"
        ? { kind: "pass", facts: principalFacts(principal) }
        : { kind: "block", code: "invalid_token", reason: "No" },
    settle: (_call, ending) => void settled.push(`first ${ending.kind}`),
    lists: (tools) => tools.map((tool) => tool.name !== "hidden"),
  };
  const second: Check = options.second ?? {
    run: () => ({ kind: "pass" }),
    settle: (_call, ending) => void settled.push(`second ${ending.kind}`),
  };
  const gateway = createCallGateway({
    snapshot: () => ({
      stages: [
        { name: "capability", establishesPrincipal: true, check: first },
        { name: "policy", establishesPrincipal: false, check: second },
      ],
      upstreams: new Map([["erp", { tenants: "*" }], ["private", { tenants: new Set(["other"]) }]]),
      settingsVersion: 1,
    }),
    ...{ attachments, replicaId: "me", outcomes, nowMs: () => Date.now(), onFault: () => {} },
    verifiedPrincipal: (call) => attachments.credentialOf(call) === "expired" ? principal : undefined,
    deadlines,
    recorder: createRecorder({ ...event, deadlines, minAppendMs: 20 }),
    refusedAttempts: { ...attempted, record: (attempt) => void attempts.push(attempt) },
  });
  const call = (overrides: Partial<ToolCall> = {}): ToolCall => ({
    ...{ id: `d${++id}`, upstream: "erp", method: "tools/call", name: "pay", arguments: { amount: 1 } },
    ...{ argumentsDigest: "ab", receivedAtMs: 0, sourceIp: "127.0.0.1" },
    deadlineMs: Date.now() + (options.deadlineInMs ?? 5_000),
    ...overrides,
  });
  const events = () => entries.map((entry) => JSON.parse(entry.canonical));
  const kinds = () => events().map((one) => one.unmapped.decision ?? `outcome ${one.unmapped.outcome}`);
  return { gateway, call, entries, events, kinds, kept, attempts, settled, attachments, outcomes };
}

function route(overrides: Partial<CallRoute> = {}) {
  const state = { forwarded: 0, end: (_ending: ForwardEnding) => {} };
  const ending = new Promise<ForwardEnding>((resolve) => void (state.end = resolve));
  const made: CallRoute = {
    ...{ accepts: () => true, reserve: () => undefined },
    definition: () => definition,
    isGone: () => false,
    forward: () => {
      state.forwarded++;
      return Promise.resolve({ response: new Response("ok"), ending });
    },
    ...overrides,
  };
  return { route: made, state };
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 15));

Deno.test("handle() records an allow before it forwards, then exactly one outcome", async () => {
  const { gateway, call, kinds, settled, events } = world();
  const { route: way, state } = route({});
  let recordedBefore: string[] = [];
  const answer = await gateway.handle(call(), "good", {
    ...way,
    forward: () => {
      recordedBefore = kinds();
      return way.forward();
    },
  });
  assert.equal(answer.kind, "forwarded");
  assert.deepEqual(recordedBefore, ["allow"]);
  assert.equal(gateway.inFlight(), 1);
  state.end({ kind: "ok", upstreamMs: 3, upstreamStatus: 200, resultBytes: 2, resultDigest: "cd" });
  await soon();
  assert.deepEqual(kinds(), ["allow", "outcome ok"]);
  assert.deepEqual(settled, ["second ok", "first ok"]);
  assert.equal(gateway.inFlight(), 0);
  assert.equal(events()[1].metadata.correlation_uid, events()[0].metadata.correlation_uid);
});

Deno.test("handle() never forwards what is not recorded: failing, conflicting and late appends", async () => {
  const never = new Promise<AppendResult>(() => {});
  const results: [() => Promise<AppendResult>, string][] = [
    [() => Promise.reject(new Error("gone")), "audit_unavailable"],
    [() => never, "audit_unavailable"],
    [() => Promise.resolve({ status: "conflict", condition: 0 }), "audit_unavailable"],
  ];
  for (const [appendResult, code] of results) {
    const { gateway, call } = world({ appendResult, deadlineInMs: 30 });
    const { route: way, state } = route();
    const answer = await gateway.handle(call(), "good", way);
    assert.equal(answer.kind === "refused" && answer.refusal.code, code);
    assert.equal(state.forwarded, 0);
    assert.equal(gateway.inFlight(), 0);
  }
});

Deno.test("handle() writes not_forwarded when the commit of an allow is confirmed too late", async () => {
  const late = (entry: AuditEntry) =>
    new Promise<AppendResult>((resolve) =>
      setTimeout(
        () => resolve({ status: "appended", seq: 1, hash: "" }),
        entry.canonical.includes("call.decided") ? 80 : 0,
      )
    );
  const { gateway, call, kinds, settled } = world({ appendResult: late, deadlineInMs: 10 });
  const { route: way, state } = route();
  const answer = await gateway.handle(call(), "good", way);
  assert.equal(answer.kind, "refused");
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.deepEqual(kinds(), ["allow", "outcome not_forwarded"]);
  assert.equal(state.forwarded, 0);
  assert.deepEqual(settled, ["second not_forwarded", "first not_forwarded"]);
});

Deno.test("handle() turns a failed condition into the refusal of the check that set it", async () => {
  const conflict = (entry: AuditEntry): Promise<AppendResult> =>
    Promise.resolve(
      entry.conditions.length > 1
        ? { status: "conflict", condition: 1 }
        : { status: "appended", seq: 1, hash: "" },
    );
  const counting: Check = {
    run: (one) => {
      w.attachments.addCondition(one, {
        condition: { kind: "consume_call", block_id: "root", root_block_id: "root", max: 1, expires_at: 9 },
        refusal: { check: "budget", code: "max_calls_reached", reason: "All used" },
      });
      return { kind: "pass" };
    },
  };
  const w = world({ appendResult: conflict, second: counting });
  const { route: way, state } = route();
  const answer = await w.gateway.handle(w.call(), "good", way);
  assert.deepEqual(answer.kind === "refused" && [answer.refusal.check, answer.refusal.code], [
    "budget",
    "max_calls_reached",
  ]);
  assert.deepEqual(w.kinds(), ["block"]);
  assert.equal(state.forwarded, 0);
});

Deno.test("only checks that passed a call are told how it ended, also when it is refused after them", async () => {
  const verdicts: Verdict[] = [
    { kind: "skip", reason: "not mine" },
    { kind: "block", code: "no", reason: "No" },
    { kind: "escalate", reason: "Ask" },
  ];
  for (const verdict of verdicts) {
    const told: string[] = [];
    const second: Check = { run: () => verdict, settle: (_call, ending) => void told.push(ending.kind) };
    const w = world({ second });
    const { route: way, state } = route();
    await w.gateway.handle(w.call(), "good", way);
    state.end({ kind: "ok", upstreamMs: 1 });
    await soon();
    assert.deepEqual(told, []);
    assert.equal(w.settled.length, 1);
  }
  const conflict = (entry: AuditEntry): Promise<AppendResult> =>
    Promise.resolve(
      entry.conditions.length > 0
        ? { status: "conflict", condition: 0 }
        : { status: "appended", seq: 1, hash: "" },
    );
  const w = world({ appendResult: conflict });
  await w.gateway.handle(w.call(), "good", route().route);
  assert.deepEqual(w.settled, ["second not_forwarded", "first not_forwarded"]);
});

Deno.test("handle() gives an unknown tool and an unusable upstream one answer, and keeps the truth in the trail", async () => {
  const w = world();
  const cases: [Partial<ToolCall>, Partial<CallRoute>, string][] = [
    [{}, { definition: () => undefined }, "unknown_tool"],
    [{ upstream: "nothere" }, {}, "unknown_upstream"],
    [{ upstream: "private" }, {}, "unknown_upstream"],
  ];
  const refusals: JsonObject[] = [];
  for (const [overrides, way, truth] of cases) {
    const answer = await w.gateway.handle(w.call(overrides), "good", route(way).route);
    if (answer.kind !== "refused") assert.fail();
    refusals.push({ ...answer.refusal, decisionId: "" });
    const event = w.events().at(-1);
    assert.equal(event.unmapped.trail.at(-1).code, truth);
  }
  assert.deepEqual(refusals[1], refusals[0]);
  assert.deepEqual(refusals[2], refusals[0]);
});

Deno.test("handle() refuses an argument that only differs in case from one of the tool's", async () => {
  const w = world();
  const answer = await w.gateway.handle(
    w.call({ arguments: { Amount: "secret value" } }),
    "good",
    route().route,
  );
  assert.equal(answer.kind === "refused" && answer.refusal.code, "argument_case_variant");
  assert.equal(JSON.stringify(w.events()).includes("secret value"), false);
});

Deno.test("handle() gives a tool that its pin holds the answer of one that does not exist, and keeps the truth", async () => {
  const w = world();
  for (const [state, truth] of [["changed", "tool_quarantined"], ["blocked", "tool_blocked"]] as const) {
    const pin = { state, digest: "v1:a", seen: "v1:b", isHeld: true };
    const held = await w.gateway.handle(
      w.call(),
      "good",
      route({ definition: () => ({ ...definition, pin }) }).route,
    );
    const unknown = await w.gateway.handle(w.call(), "good", route({ definition: () => undefined }).route);
    const said = (answer: typeof held) => answer.kind === "refused" && { ...answer.refusal, decisionId: "" };
    assert.deepEqual(said(held), said(unknown));
    const event = w.events().at(-2);
    assert.equal(event.unmapped.trail.at(-1).code, truth);
    assert.deepEqual(event.unmapped.pin, { digest: "v1:a", seen: "v1:b", state });
  }
});

Deno.test("handle() holds arguments against the tool's schema: refused, recorded, or not looked at", async () => {
  const ask = async (mode: ArgumentMode, schema: JsonObject) => {
    const w = world();
    const checks = new ToolChecks(schema, undefined, { arguments: mode, results: "off" });
    const answer = await w.gateway.handle(
      w.call({ arguments: { amount: "secret value" } }),
      "good",
      route({ definition: () => ({ ...definition, checks }) }).route,
    );
    const event = w.events()[0];
    assert.equal(JSON.stringify([answer, event]).includes("secret value"), false);
    return [answer.kind === "refused" ? answer.refusal.code : answer.kind, event.unmapped.arguments.schema];
  };
  const schema = { type: "object", properties: { amount: { type: "number" } } };
  assert.deepEqual(await ask("enforce", schema), ["arguments_invalid", "invalid"]);
  assert.deepEqual(await ask("report", schema), ["forwarded", "invalid"]);
  assert.deepEqual(await ask("off", schema), ["forwarded", undefined]);
  assert.deepEqual(await ask("enforce", {}), ["forwarded", "valid"]);
  assert.deepEqual(await ask("enforce", { $ref: "http://localhost:1/" }), ["forwarded", "unchecked"]);
});

Deno.test("a refusal without a verified token goes to the refused attempts, with one it goes to the tenant's chain", async () => {
  const w = world();
  const bad = await w.gateway.handle(w.call(), "bad", route().route);
  assert.equal(bad.kind === "refused" && bad.refusal.unauthenticated, true);
  assert.deepEqual([w.attempts.length, w.entries.length], [1, 0]);
  await w.gateway.handle(w.call(), "expired", route().route);
  assert.deepEqual([w.attempts.length, w.entries.length, w.entries[0]?.chain], [1, 1, "acme"]);
});

Deno.test("handle() ends a call on somebody else's session without deciding it", async () => {
  const w = world();
  const answer = await w.gateway.handle(w.call(), "good", route({ accepts: () => false }).route);
  assert.deepEqual([answer.kind, w.entries.length], ["session_not_found", 0]);
});

Deno.test("admit() lists by the checks that list", async () => {
  const w = world();
  const admitted = await w.gateway.admit(w.call({ method: "tools/list", name: "" }), "good");
  if (admitted.kind !== "admitted") assert.fail();
  const tools = [definition, { ...definition, name: "hidden" }];
  assert.deepEqual(await admitted.lists(tools), [true, false]);
  const many = Array.from(
    { length: 1_000 },
    (_, at) => ({ ...definition, name: at % 3 === 0 ? "hidden" : `t${at}` }),
  );
  assert.deepEqual(await admitted.lists(many), many.map(({ name }) => name !== "hidden"));
  assert.equal(admitted.rootBlockId, principalOf({ principal: principalFacts(principal) })?.blockIds[0]);
});

Deno.test("a client that went away before the forward gets no effect, and the record says not_forwarded", async () => {
  const w = world();
  const { route: way, state } = route({ isGone: () => true });
  await w.gateway.handle(w.call(), "good", way);
  assert.deepEqual(w.kinds(), ["allow", "outcome not_forwarded"]);
  assert.equal(state.forwarded, 0);
});

Deno.test("drain() refuses new calls, waits for those in flight, and records unknown for what does not end", async () => {
  const w = world();
  const { route: way } = route();
  await w.gateway.handle(w.call(), "good", way);
  await w.gateway.drain(30);
  assert.deepEqual(w.kinds(), ["allow", "outcome unknown"]);
  const answer = await w.gateway.handle(w.call(), "good", way);
  assert.equal(answer.kind === "refused" && answer.refusal.code, "shutting_down");
});

Deno.test("drain() records unknown for a call whose upstream has not begun its answer", async () => {
  const w = world();
  const { route: way } = route({ forward: () => new Promise(() => {}) });
  void w.gateway.handle(w.call(), "good", way);
  await soon();
  await w.gateway.drain(30);
  assert.deepEqual(w.kinds(), ["allow", "outcome unknown"]);
  assert.equal(w.gateway.inFlight(), 0);
});

Deno.test("a call that gets no place again after the upstream's tools were read is turned away, and nothing is recorded", async () => {
  const w = world();
  const { route: way } = route({ definition: () => Promise.reject(new Overloaded("deciding")) });
  await assert.rejects(w.gateway.handle(w.call(), "good", way), Overloaded);
  assert.deepEqual([w.kinds(), w.attempts, w.gateway.inFlight()], [[], [], 0]);
});

Deno.test("an outcome that cannot even be kept is retried until the database has it", async () => {
  let failures = 3;
  const flaky = (entry: AuditEntry): Promise<AppendResult> =>
    entry.canonical.includes("call.ended") && failures-- > 0
      ? Promise.reject(new Error("gone"))
      : Promise.resolve({ status: "appended", seq: 1, hash: "" });
  const w = world({ appendResult: flaky, hasNoRoom: true });
  const { route: way, state } = route();
  await w.gateway.handle(w.call(), "good", way);
  state.end({ kind: "tool_error", upstreamMs: 1 });
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(w.kinds(), ["allow", "outcome tool_error"]);
});

const keptEvents = (w: ReturnType<typeof world>) => w.kept.map(({ entry }) => JSON.parse(entry.canonical));

Deno.test("an allow that is not recorded is kept as a block under the same event id, with the outcome it would need", async () => {
  const appended: AuditEntry[] = [];
  const gone = (entry: AuditEntry) => {
    appended.push(entry);
    return Promise.reject(new Error("gone"));
  };
  const w = world({ appendResult: gone });
  const call = w.call();
  w.attachments.addCondition(call, {
    condition: { kind: "consume_call", block_id: "b", root_block_id: "b", max: 5, expires_at: 9 },
    refusal: { check: "budget", code: "max_calls_reached", reason: "No" },
  });
  const answer = await w.gateway.handle(call, "good", route().route);
  assert.equal(answer.kind === "refused" && answer.refusal.code, "audit_unavailable");
  const [block, outcome] = keptEvents(w);
  const [allow] = appended;
  assert.equal(JSON.parse(allow!.canonical).unmapped.decision, "allow");
  assert.deepEqual(
    [block.metadata.uid, block.metadata.correlation_uid, block.unmapped.decision, block.status_code],
    [allow?.eventId, call.id, "block", "audit_unavailable"],
  );
  assert.deepEqual(w.kept[0]?.entry.conditions, [], "nothing is used up for a call that was blocked");
  assert.notDeepEqual(w.kept[0]?.entry.salt, undefined);
  assert.equal(outcome.unmapped.outcome, "not_forwarded");
  assert.deepEqual(w.kept[1]?.entry.conditions[0], { kind: "close_decision", decision_id: call.id });
  assert.deepEqual(w.kept.map(({ record }) => record.what), ["decision", "other"]);
  assert.deepEqual(w.settled, ["second not_forwarded", "first not_forwarded"]);
});

Deno.test("an allow that was taken back before it was sent is kept as a block, and owes no outcome", async () => {
  const never = new Promise<AppendResult>(() => {});
  const w = world({ appendResult: () => never, deadlineInMs: 100 });
  const waiting = [];
  for (let batch = 0; batch < 2; batch++) { // so many may be under way: who comes then is not sent
    waiting.push(w.gateway.handle(w.call(), "good", route().route));
    await soon();
  }
  const call = w.call();
  const answers = await Promise.all([...waiting, w.gateway.handle(call, "good", route().route)]);
  assert.ok(answers.every((answer) => answer.kind === "refused"));
  const about = keptEvents(w).filter((event) => event.metadata.correlation_uid === call.id);
  assert.deepEqual(about.map(({ unmapped }) => unmapped.decision ?? unmapped.outcome), ["block"]);
});

Deno.test("a refusal that is not recorded is kept as it was decided; while the database is away nobody waits for it", async () => {
  for (const isAway of [false, true]) {
    let asked = 0;
    const gone = () => {
      asked++;
      return Promise.reject(new Error("gone"));
    };
    const second: Check = { run: () => ({ kind: "block", code: "policy_denied", reason: "No" }) };
    const w = world({ appendResult: gone, second, isAway });
    const answer = await w.gateway.handle(w.call(), "good", route().route);
    assert.equal(answer.kind === "refused" && answer.refusal.code, "audit_unavailable");
    assert.deepEqual(keptEvents(w).map(({ status_code }) => status_code), ["policy_denied"]);
    assert.equal(asked, isAway ? 0 : 1);
  }
});

Deno.test("an outcome that is kept stays owed until the database has it, so that nobody writes another one", async () => {
  const flaky = (entry: AuditEntry): Promise<AppendResult> =>
    entry.canonical.includes("call.ended")
      ? Promise.reject(new Error("gone"))
      : Promise.resolve({ status: "appended", seq: 1, hash: "" });
  const w = world({ appendResult: flaky });
  const { route: way, state } = route();
  const call = w.call();
  await w.gateway.handle(call, "good", way);
  state.end({ kind: "ok", upstreamMs: 1 });
  await soon();
  assert.deepEqual(keptEvents(w).map(({ unmapped }) => unmapped.outcome), ["ok"]);
  assert.deepEqual(w.kept[0]?.entry.conditions, [{ kind: "close_decision", decision_id: call.id }]);
  assert.equal(w.outcomes.isLive(call.id), true);
  w.kept[0]?.record.onRecorded?.({ status: "appended", seq: 2, hash: "" });
  assert.equal(w.outcomes.isLive(call.id), false);
});

Deno.test("a tool that a check would never allow is refused before its arguments are looked at, like an unknown one", async () => {
  const asked: string[] = [];
  const second: Check = {
    run: () => ({ kind: "pass" }),
    lists: (tools) => tools.map(({ name }) => asked.push(name) < 0),
    listsNames: ({ method, names }) => names.map((name) => asked.push(`${method} ${name}`) < 0),
  };
  const { gateway, call, events } = world({ second });
  let looked = 0;
  const { route: way, state } = route({ lookAgain: () => void looked++ });
  const hidden = await gateway.handle(call({ arguments: { Amount: "odd" } }), "good", way);
  const { route: unknownWay } = route({ definition: () => undefined, lookAgain: () => assert.fail() });
  const unknown = await gateway.handle(call({ name: "nothing" }), "good", unknownWay);
  const prompt = await gateway.handle(call({ method: "prompts/get", name: "greeting" }), "good", way);
  for (const answer of [hidden, unknown, prompt]) {
    assert.ok(answer.kind === "refused");
    assert.deepEqual([answer.refusal.check, answer.refusal.code], ["capability", "not_available"]);
  }
  assert.equal(looked, 1);
  assert.deepEqual(
    asked,
    ["pay", "nothing", "prompts/get greeting"],
    "unknown tools are asked about as well",
  );
  assert.equal(state.forwarded, 0);
  const truths = events().map((one) => one.unmapped.trail.at(-1)).map(({ check, code }) =>
    `${check} ${code}`
  );
  assert.deepEqual(truths, ["policy not_listed", "catalogue unknown_tool", "policy not_listed"]);
});

Deno.test("a hidden tool whose upstream cannot be read again gets the answer of an unknown one", async () => {
  const second: Check = { run: () => ({ kind: "pass" }), lists: (tools) => tools.map(() => false) };
  const { gateway, call } = world({ second, deadlineInMs: 60 });
  const gone = () => Promise.reject(new GatewayError("upstream_unavailable", "gone"));
  const codes = [];
  for (const part of [{ lookAgain: gone }, { definition: gone }]) {
    const answer = await gateway.handle(call(), "good", route(part).route);
    codes.push(answer.kind === "refused" && answer.refusal.code);
  }
  assert.deepEqual(codes, ["upstream_unavailable", "upstream_unavailable"]);
  const slow = await gateway.handle(
    call(),
    "good",
    route({ lookAgain: () => new Promise<void>(() => {}) }).route,
  );
  assert.equal(slow.kind === "refused" && slow.refusal.code, "upstream_unavailable");
});
