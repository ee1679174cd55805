/** What a decision costs without database and upstream, stage by stage: `deno task bench`. */
import { createAppender } from "../../audit/appender.ts";
import { decisionEvent } from "../../audit/event.ts";
import { canonicalEvent } from "../../audit/shorten.ts";
import { buildPipeline } from "../../commands/checks_parts.ts";
import { newId, randomBytes } from "../../commands/random.ts";
import type { AppendResult } from "../../core/audit_entry.ts";
import type { ToolCall, ToolDefinition } from "../../core/call.ts";
import { configSchema } from "../../core/config.ts";
import { deriveHmacKey, generateKeyRing } from "../../core/key_ring.ts";
import { parseStrictJsonBytes } from "../../core/strict_json.ts";
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
  const event = { appender, source, newId, nowMs: () => Date.now(), randomSalt: () => randomBytes(32) };
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
    deadlineMs: now + 5_000,
    sourceIp: "127.0.0.1",
  };
  return toolCallOf(origin, message, parseToolCallParams(message));
}

const prepared = prepare();
const route = {
  accepts: () => true,
  definition: () => definition,
  isGone: () => false,
  forward: () =>
    Promise.resolve({
      response: new Response(null),
      ending: Promise.resolve({ kind: "ok", upstreamMs: 1 } as const),
    }),
};

Deno.bench("strict JSON of a call's body", () => {
  parseStrictJsonBytes(BODY);
});

Deno.bench("from bytes to a frozen call", () => {
  newCall();
});

Deno.bench("capability check, token in the cache, 100 times", async (bench) => {
  const { token, pipeline } = await prepared;
  const call = newCall();
  pipeline.attachments.attachCredential(call, token);
  bench.start();
  for (let index = 0; index < 100; index++) {
    await pipeline.stages[0]!.check.run(call, {}, AbortSignal.abort());
  }
  bench.end();
});

Deno.bench("all checks, 100 times", async (bench) => {
  const { token, pipeline } = await prepared;
  const call = newCall();
  pipeline.attachments.attachCredential(call, token);
  const run = addFact(EMPTY_RUN, "tool", { known: true, annotations: { readOnlyHint: true } });
  const options = {
    deadlines: createDeadlines({ nowMs: () => Date.now() }),
    nowMs: () => Date.now(),
    onFault: () => {},
  };
  bench.start();
  for (let index = 0; index < 100; index++) await runStages(pipeline.stages, call, run, options);
  bench.end();
});

Deno.bench("canonical decision event, 100 times", async (bench) => {
  const { token, pipeline } = await prepared;
  const call = newCall();
  pipeline.attachments.attachCredential(call, token);
  const run = addFact(EMPTY_RUN, "tool", { known: true, annotations: { readOnlyHint: true } });
  const result = await runStages(pipeline.stages, call, run, {
    deadlines: createDeadlines({ nowMs: () => Date.now() }),
    nowMs: () => Date.now(),
    onFault: () => {},
  });
  if (result.kind !== "go") throw new Error("Expected an allow");
  const principal = pipeline.capability.principalOf(call)!;
  const decision = { decision: "allow", trail: result.run.trail, facts: result.run.facts } as const;
  bench.start();
  for (let index = 0; index < 100; index++) {
    const salt = randomBytes(32);
    const settings = { eventId: newId(), timeMs: Date.now(), tenant: "acme", settingsVersion: 1, salt };
    canonicalEvent(decisionEvent(source, { ...settings, call, decision, principal, annotations: {} }));
  }
  bench.end();
});

Deno.bench("100 allowed calls, without database and upstream", async (bench) => {
  const { token, gateway } = await prepared;
  bench.start();
  for (let index = 0; index < 100; index++) await gateway.handle(newCall(), token, route);
  bench.end();
});
