/** What a list costs the gateway itself: CPU time of deciding which of many tools a caller may list. */
import process from "node:process";
import { buildPipeline } from "../../commands/checks_parts.ts";
import { newId, randomBytes } from "../../commands/random.ts";
import type { ToolCall, ToolDefinition } from "../../core/call.ts";
import { configSchema } from "../../core/config.ts";
import { deriveHmacKey, generateKeyRing } from "../../core/key_ring.ts";
import { mintToken } from "../../core/token/mint.ts";
import { type CallGatewayOptions, createCallGateway } from "../../gateway/call_gateway.ts";
import { createDeadlines } from "../../gateway/deadlines.ts";
import type { Admitted } from "../../mcp/port.ts";

/** CPU milliseconds of one list: the least of several, each of a token of its own. */
export interface ListCost {
  readonly tools: number;
  readonly coldMs: number;
  /** The same list again, within its 5 seconds. */
  readonly warmMs: number;
}

/** Asks for lists of so many tools, under the default policy. */
export async function measureLists(tools: number, rounds: number): Promise<ListCost> {
  const admit = await prepare();
  const definitions = Array.from({ length: tools }, (_, index): ToolDefinition => ({
    ...{ upstream: "acme", name: `tool_${index}`, annotations: { readOnlyHint: index % 2 === 0 } },
    inputSchema: { type: "object", properties: { id: { type: "string" } } },
  }));
  const costs = { cold: [] as number[], warm: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const admitted = await admit();
    for (const all of [costs.cold, costs.warm]) {
      const started = process.cpuUsage();
      const listed = await admitted.lists(definitions);
      const { user, system } = process.cpuUsage(started);
      if (listed.length !== tools || listed.includes(false)) throw new Error("A list is not whole");
      all.push((user + system) / 1_000);
    }
  }
  return { tools, coldMs: Math.min(...costs.cold), warmMs: Math.min(...costs.warm) };
}

/** A gateway without database and upstream; each call admits a caller with another token. */
async function prepare(): Promise<() => Promise<Admitted>> {
  const ring = generateKeyRing(randomBytes);
  const key = await deriveHmacKey(ring, ring.active, "token");
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
  const nowMs = () => Date.now();
  const snapshot = {
    ...{ stages: pipeline.stages, settingsVersion: 1 },
    upstreams: new Map([["acme", { tenants: "*" as const }]]),
  };
  const gateway = createCallGateway({
    ...{ snapshot: () => snapshot, attachments: pipeline.attachments, replicaId: "r", nowMs },
    deadlines: createDeadlines({ nowMs }),
    verifiedPrincipal: () => undefined,
    // Lists are neither recorded nor forwarded.
    ...{ recorder: {}, outcomes: {}, refusedAttempts: {} } as Pick<
      CallGatewayOptions,
      "recorder" | "outcomes" | "refusedAttempts"
    >,
    onFault: (where, _call, error) => {
      throw new Error(where, { cause: error });
    },
  });
  return async () => {
    const now = Math.floor(Date.now() / 1000);
    const fields = {
      ...{ kid: ring.active, iss: "intentgate", aud: "log", tenant: "acme", sub: "agent" },
      ...{ iat: now, exp: now + 3600, upstreams: ["acme"], tools: ["tool_*"] },
    };
    const { token } = await mintToken(fields, key, randomBytes(16));
    const call: ToolCall = {
      ...{
        id: newId(),
        upstream: "acme",
        method: "tools/list",
        name: "",
        arguments: {},
        argumentsDigest: "",
      },
      ...{ receivedAtMs: Date.now(), deadlineMs: Date.now() + 60_000, sourceIp: "127.0.0.1" },
    };
    const admitted = await gateway.admit(call, token);
    if (admitted.kind === "refused") throw new Error(admitted.refusal.reason);
    return admitted;
  };
}
