/**
 * What a decision costs without database and upstream, in CPU time of this process: what other programs do on the same
 * machine changes it much less than it changes time on the clock.
 */
import process from "node:process";
import { createAppender } from "../../audit/appender.ts";
import { decisionEvent, outcomeEvent } from "../../audit/event.ts";
import { canonicalEvent } from "../../audit/shorten.ts";
import { buildPipeline } from "../../commands/checks_parts.ts";
import { newId, randomBytes } from "../../commands/random.ts";
import type { AppendResult } from "../../core/audit_entry.ts";
import type { ToolCall, ToolDefinition } from "../../core/call.ts";
import { configSchema } from "../../core/config.ts";
import { deriveHmacKey, generateKeyRing } from "../../core/key_ring.ts";
import { attenuateToken } from "../../core/token/attenuate.ts";
import { mintToken } from "../../core/token/mint.ts";
import { createCallGateway } from "../../gateway/call_gateway.ts";
import { createDeadlines } from "../../gateway/deadlines.ts";
import { createOutcomes } from "../../gateway/outcomes.ts";
import { createRecorder } from "../../gateway/recorder.ts";
import { addFact, EMPTY_RUN, runStages } from "../../gateway/runner.ts";
import { parseMessage, parseToolCallParams } from "../../mcp/message.ts";
import { toolCallOf } from "../../mcp/tool_call.ts";

const BODY = new TextEncoder().encode(JSON.stringify({
  jsonrpc: "2.0",
  id: 7,
  method: "tools/call",
  params: {
    name: "read_invoice",
    arguments: { invoice_id: "INV-1001", fields: ["amount", "vendor", "due"], limit: 20 },
    _meta: { progressToken: 7 },
  },
}));

const definition: ToolDefinition = {
  ...{ upstream: "acme", name: "read_invoice", annotations: { readOnlyHint: true } },
  inputSchema: { type: "object", properties: { invoice_id: { type: "string" } } },
};

const source = { logId: "log", version: "0", replicaId: "r", configDigest: "c" };

async function prepare() {
  const ring = generateKeyRing(randomBytes);
  const key = await deriveHmacKey(ring, ring.active, "token");
  const now = Math.floor(Date.now() / 1000);
  const minted = await mintToken(
    {
      ...{
        kid: ring.active,
        iss: "intentgate",
        aud: "log",
        tenant: "acme",
        sub: "agent",
        iat: now,
        exp: now + 3600,
      },
      ...{ upstreams: ["*"], tools: ["read_*", "list_*"] },
    },
    key,
    randomBytes(16),
  );
  let token = minted.token;
  for (const tools of [["read_*"], ["read_invoice"]]) token = await attenuateToken(token, { tools });
  const pipeline = await buildPipeline({
    ...{
      config: configSchema.parse({}),
      keys: new Map([[ring.active, key]]),
      audience: "log",
      log: () => {},
    },
    isTenant: () => true,
    revocations: { isFresh: () => true, isRevoked: () => undefined, stoppedBy: () => undefined },
  });
  const appender = createAppender({
    append: (entries) =>
      Promise.resolve(entries.map((): AppendResult => ({ status: "appended", seq: 1, hash: "" }))),
  });
  const late = { isAway: () => false, keep: () => Promise.resolve(false) };
  const event = { appender, late, source, newId, nowMs: () => Date.now(), randomSalt: () => randomBytes(32) };
  const deadlines = createDeadlines({ nowMs: () => Date.now() });
  const gateway = createCallGateway({
    snapshot: () => ({
      stages: pipeline.stages,
      upstreams: new Map([["acme", { tenants: "*" as const }]]),
      settingsVersion: 1,
    }),
    attachments: pipeline.attachments,
    verifiedPrincipal: (call) => pipeline.capability.principalOf(call),
    ...{
      replicaId: "r",
      deadlines,
      recorder: createRecorder({ ...event, deadlines }),
      outcomes: createOutcomes({ ...event, onError: () => {} }),
    },
    refusedAttempts: { record: () => {}, waiting: () => 0, flush: async () => {}, close: async () => {} },
    nowMs: () => Date.now(),
    onFault: (where, _call, error) => {
      throw new Error(where, { cause: error });
    },
  });
  return { token, pipeline, gateway };
}

function newCall(): ToolCall {
  const message = parseMessage(BODY);
  if (message.kind !== "request") throw new TypeError("Expected a request");
  const now = Date.now();
  const origin = {
    id: newId(),
    upstream: "acme",
    receivedAtMs: now,
    deadlineMs: now + 600_000,
    sourceIp: "127.0.0.1",
  };
  return toolCallOf(origin, message, parseToolCallParams(message));
}

const route = {
  ...{ accepts: () => true, reserve: () => undefined },
  definition: () => definition,
  isGone: () => false,
  forward: () =>
    Promise.resolve({
      response: new Response(null),
      ending: Promise.resolve({ kind: "ok", upstreamMs: 1 } as const),
    }),
};

/** One line of the breakdown: CPU per call in microseconds, the least of several rounds. */
export interface CostLine {
  readonly what: string;
  readonly micros: number;
}

/** How much is run. */
export interface CostPlan {
  readonly rounds: number;
  readonly callsPerRound: number;
}

/** The whole of a decision: from the bytes of a call to the answer, with its two events appended to nothing. */
export async function measureDecision(plan: CostPlan): Promise<number> {
  const { token, gateway } = await prepare();
  return await leastMicros(plan, () => gateway.handle(newCall(), token, route));
}

/** The same by parts; they overlap no other, but each alone runs in warmer caches than among the others. */
export async function measureParts(plan: CostPlan): Promise<readonly CostLine[]> {
  const { token, pipeline } = await prepare();
  const call = newCall();
  pipeline.attachments.attachCredential(call, token);
  const run = addFact(EMPTY_RUN, "tool", { known: true, annotations: { readOnlyHint: true } });
  const options = {
    deadlines: createDeadlines({ nowMs: () => Date.now() }),
    nowMs: () => Date.now(),
    onFault: () => {},
  };
  const result = await runStages(pipeline.stages, call, run, options);
  if (result.kind !== "go") throw new Error(`Expected an allow, got "${result.decision.code}"`);
  const { facts, trail } = result.run;
  const decision = { decision: "allow", trail, facts } as const;
  const principal = pipeline.capability.principalOf(call)!;
  const parts: readonly (readonly [string, () => unknown])[] = [
    ["bytes to a frozen call (strict JSON, digest of the arguments)", newCall],
    ...pipeline.stages.map((stage): [string, () => unknown] => {
      const { signal } = new AbortController();
      return [`check \`${stage.name}\``, () => stage.check.run(call, facts, signal)];
    }),
    ["decision event as canonical text", () => {
      const salt = randomBytes(32);
      const settings = { eventId: newId(), timeMs: Date.now(), tenant: "acme", settingsVersion: 1, salt };
      return canonicalEvent(
        decisionEvent(source, { ...settings, call, decision, principal, annotations: {} }),
      );
    }],
    ["outcome event as canonical text", () => canonicalEvent(outcomeEvent(source, outcomeOf(call)))],
  ];
  const lines: CostLine[] = [];
  for (const [what, once] of parts) lines.push({ what, micros: await leastMicros(plan, once) });
  return lines;
}

function outcomeOf(call: ToolCall): Parameters<typeof outcomeEvent>[1] {
  return {
    ...{ eventId: newId(), timeMs: Date.now(), tenant: "acme", decisionId: call.id, upstream: call.upstream },
    ...{ operation: call.name, agent: "agent", sourceIp: call.sourceIp, settingsVersion: 1 },
    ending: {
      kind: "ok",
      upstreamStatus: 200,
      resultBytes: 100,
      resultDigest: call.argumentsDigest,
      upstreamMs: 1,
    },
    salt: randomBytes(32),
  };
}

/** CPU microseconds (user and system, all threads) of one call of `once`: the least of the rounds. */
async function leastMicros({ rounds, callsPerRound }: CostPlan, once: () => unknown): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let index = 0; index < callsPerRound; index++) {
      const answer = once();
      if (answer instanceof Promise) await answer;
    }
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / callsPerRound);
  }
  return least;
}
