/** A gateway of the real parts around one compiled policy, on a port: only the database is a list of what was recorded. */
import { capability } from "../checks/capability.ts";
import { policy } from "../checks/policy.ts";
import { newId, randomBytes } from "../commands/random.ts";
import { createCallAttachments } from "../core/attachments.ts";
import { mintToken, type RootFields } from "../core/token/mint.ts";
import { deriveHmacKey, deriveSealKeys, generateKeyRing } from "../core/key_ring.ts";
import { createCallGateway, type RunningGateway } from "../gateway/call_gateway.ts";
import { createDeadlines } from "../gateway/deadlines.ts";
import type { DecisionRecord } from "../gateway/recorder.ts";
import { createMcpFront, type McpFront } from "../mcp/front.ts";
import { upstreamOf } from "../mcp/front_fixture.ts";
import { loadStages } from "../plugins/loading.ts";
import { createPolicyEngine, type PolicyEngine } from "../policies/engine.ts";

/** What a test may change while the gateway runs. */
export interface PolicedWorld {
  engine: PolicyEngine;
  policyDigest: string;
  settingsVersion: number;
  /** Why every token is revoked, or by which switch every call is stopped. */
  revoked: string | undefined;
  stopped: "all" | undefined;
  /** Added to the clock by which lists and catalogues age. */
  aheadMs: number;
}

export interface PolicedGateway extends AsyncDisposable {
  readonly url: string;
  readonly world: PolicedWorld;
  readonly front: McpFront;
  readonly gateway: RunningGateway;
  readonly records: DecisionRecord[];
  mint(changes?: Partial<RootFields>): Promise<string>;
}

/** Starts the gateway in front of the upstream `acme`. */
export async function startPolicedGateway(
  upstreamUrl: string,
  wasm: Uint8Array<ArrayBuffer>,
): Promise<PolicedGateway> {
  const world: PolicedWorld = {
    ...{ engine: createPolicyEngine(wasm), policyDigest: "1", settingsVersion: 1, aheadMs: 0 },
    ...{ revoked: undefined, stopped: undefined },
  };
  const ring = generateKeyRing(randomBytes);
  const key = await deriveHmacKey(ring, ring.active, "token");
  const records: DecisionRecord[] = [];
  const gateway = await policedCalls(world, key, records);
  const front = createMcpFront({
    upstreams: new Map([["acme", { ...upstreamOf(upstreamUrl), max_response_bytes: 16 * 1024 * 1024 }]]),
    ...{ gateway, sessionKeys: await deriveSealKeys(ring, "session") },
    ...{ allowedHosts: [], isLoopbackListener: true, maxDeciding: 64, maxBodyBytes: 1024 * 1024 },
    ...{
      decisionTimeoutMs: 5_000,
      nowMs: Date.now,
      steadyMs: () => performance.now() + world.aheadMs,
      newId,
    },
    onFault: (error) => console.error(error),
  });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => front.handle(request, new URL(request.url).pathname.split("/")[2] ?? "", "127.0.0.1"),
  );
  return {
    ...{ url: `http://127.0.0.1:${server.addr.port}`, world, front, gateway, records },
    mint: async (changes = {}) => {
      const now = Math.floor(Date.now() / 1000);
      const fields: RootFields = {
        ...{ kid: ring.active, iss: "intentgate", aud: "log", tenant: "default", sub: "agent" },
        ...{ iat: now, exp: now + 3600, upstreams: ["acme"], tools: ["*"], prompts: ["*"], resources: ["*"] },
        ...changes,
      };
      return (await mintToken(fields, key, randomBytes(16))).token;
    },
    async [Symbol.asyncDispose]() {
      front.closeStreams();
      await server.shutdown();
    },
  };
}

async function policedCalls(
  world: PolicedWorld,
  key: CryptoKey,
  records: DecisionRecord[],
): Promise<RunningGateway> {
  const attachments = createCallAttachments();
  const first = capability({
    ...{ attachments, keyFor: () => key, audience: () => "log", maxLifetimeSeconds: 86_400 },
    ...{ nowSeconds: () => Date.now() / 1000, enforced: new Set<string>() },
    revocations: { isFresh: () => true, isRevoked: () => world.revoked, stoppedBy: () => world.stopped },
  });
  const second = policy({
    ...{ engine: () => world.engine, policyDigest: () => world.policyDigest },
    namedExactly: first.namesExactly,
  });
  const stages = await loadStages({
    stages: [first.definition, second].map(({ name }) => ({ check: name, options: {} })),
    definitions: new Map([first.definition, second].map((definition) => [definition.name, definition])),
    context: (name) => ({ name, nowMs: () => Date.now(), log: () => {} }),
  });
  const nowMs = () => Date.now();
  return createCallGateway({
    snapshot: () => ({
      ...{ stages, settingsVersion: world.settingsVersion },
      upstreams: new Map([["acme", { tenants: "*" as const }]]),
    }),
    ...{ attachments, replicaId: "r", nowMs, deadlines: createDeadlines({ nowMs }) },
    verifiedPrincipal: (call) => first.principalOf(call),
    recorder: {
      record: (record) => Promise.resolve({ status: "appended", seq: records.push(record), hash: "" }),
    },
    outcomes: {
      ...{ begin: () => {}, abandon: () => {}, isLive: () => false, live: () => 0, close: () => {} },
      ...{
        finish: () => Promise.resolve(),
        entry: () => {
          throw new TypeError("No allow is in doubt");
        },
      },
    },
    refusedAttempts: { record: () => {}, waiting: () => 0, flush: async () => {}, close: async () => {} },
    onFault: (where, _call, error) => console.error(where, error),
  });
}
