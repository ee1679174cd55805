/** Fills a chain with very many realistic events in little time: made by the database itself, from events of the gateway. */
import type postgres from "postgres";
import { decisionEvent, outcomeEvent } from "../audit/event.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import type { Decision, Principal, ToolCall } from "../core/call.ts";
import type { JsonObject } from "../core/json.ts";

/** Calls that one agent makes and no other; the rest spreads evenly over `MANY.agents` agents. */
export const RARE_AGENT = "agent-rare";
/** Its first call, and from one to the next. */
const RARE = { first: 1_000, step: 400_001 } as const;

/** The calls that it makes in a chain of so many events. */
export function rareCalls(events: number): readonly number[] {
  return Array.from(
    { length: Math.max(0, Math.ceil((events / 2 - RARE.first) / RARE.step)) },
    (_, at) => RARE.first + at * RARE.step,
  );
}

/** What the events are made of, so that tests know what to expect. */
export const MANY = {
  ...{ agents: 50, tools: 40, upstreams: 5, blocksPerAgent: 20 },
  /** Epoch milliseconds of the first call, and from one call to the next. */
  ...{ startMs: 1_800_000_000_000, stepMs: 250 },
} as const;

/** What stands for a value of its own in an event that is made so often; texts that JSON leaves as they are. */
const HOLES = ["agent", "tool", "upstream", "block", "decision_id", "event_id"] as const;
/** One of them. */
export type Hole = (typeof HOLES)[number];
const hole = (name: Hole) => `@${name}@`;
const TIME = 1_234_567_890_123;
const SALT = new Uint8Array(32).fill(7);
const ROWS_AT_ONCE = 50_000;

/** SQL for the values of call `k`; every tenth is blocked, every twentieth escalated. */
const VALUES: Readonly<Record<Hole, string>> = {
  agent:
    `CASE WHEN k % ${RARE.step} = ${RARE.first} THEN '${RARE_AGENT}' ELSE 'agent-' || k % ${MANY.agents} END`,
  tool: `'tool_' || (k / 7) % ${MANY.tools}`,
  upstream: `'upstream-' || (k / 3) % ${MANY.upstreams}`,
  block:
    `encode(sha256(('block ' || k % ${MANY.agents} || ' ' || (k / 1000) % ${MANY.blocksPerAgent})::bytea), 'hex')`,
  decision_id: "md5('decision ' || k)::uuid::text",
  // In order of time, as UUIDv7 is: the index over the ids grows at its end.
  event_id:
    `overlay(lpad(to_hex(${MANY.startMs} + ${MANY.stepMs} * k::bigint + half), 12, '0') || substr(md5('event ' || k), 13)
    placing '7' from 13)::uuid::text`,
};

/** Decision id of call `k`, as the events have it. */
export const decisionIdSql = VALUES.decision_id;

/**
 * Makes `events` (even) events of a chain that is still empty, as its owner: of call k the decision 2k + 1 and the outcome
 * 2k + 2, also where nothing was allowed. Their hashes are no chain: nothing here is to be verified.
 */
export async function makeManyEvents(sql: postgres.Sql, chain: string, events: number): Promise<void> {
  const starts = Array.from({ length: Math.ceil(events / ROWS_AT_ONCE) }, (_, at) => at * ROWS_AT_ONCE);
  const work = starts.values();
  const worker = async () => {
    for (const start of work) {
      const [from, to] = [start / 2, Math.min(start + ROWS_AT_ONCE, events) / 2 - 1];
      await sql.unsafe(`
        SET synchronous_commit = off;
        INSERT INTO audit_events (chain, seq, event_id, event, hash)
        SELECT '${chain}', 2 * k + half, event_id, event, sha256(convert_to(event, 'UTF8'))
        FROM (SELECT k, half, event_id, ${eventSql()} AS event FROM (
          SELECT k, half, ${HOLES.map((name) => `${VALUES[name]} AS ${name}`).join(", ")}
          FROM generate_series(${from}, ${to}) AS k, (VALUES (1), (2)) AS h (half) OFFSET 0
        ) AS filled OFFSET 0) AS made`);
    }
  };
  await Promise.all([worker(), worker()]);
  await sql`UPDATE audit_heads SET seq = ${events}, hash = sha256('made') WHERE chain = ${chain}`;
  await sql.unsafe("ANALYZE audit_events");
}

function eventSql(): string {
  const decision = (answer: keyof typeof ANSWERS) => textSql(decisionSample(answer));
  return `CASE WHEN half = 2 THEN ${textSql(outcomeSample())}
    WHEN k % 20 = 7 THEN ${decision("escalate")}
    WHEN k % 10 = 3 THEN ${decision("block")}
    ELSE ${decision("allow")} END`;
}

/** The SQL expression of an event's canonical text with its holes filled. */
function textSql(event: JsonObject): string {
  return partsOf(event).map((part) => {
    if (part === "time") return `(${MANY.startMs} + ${MANY.stepMs} * k::bigint + half - 1)`;
    return typeof part === "string" ? part : `'${part.text.replaceAll("'", "''")}'`;
  }).join(" || ");
}

/** An event's canonical text in parts: what it says, and what must be filled in between. */
export function partsOf(event: JsonObject): readonly ({ readonly text: string } | Hole | "time")[] {
  const parts = canonicalJson(event).split(/(@[a-z_]+@|1234567890123)/);
  return parts.filter((part) => part !== "").map((part) => {
    if (part === String(TIME)) return "time";
    return HOLES.find((name) => hole(name) === part) ?? { text: part };
  });
}

/** The decision event of a call, with holes. */
export function decisionSample(answer: keyof typeof ANSWERS, logId = SOURCE.logId): JsonObject {
  return decisionEvent({ ...SOURCE, logId }, { ...DECIDED, decision: ANSWERS[answer] });
}

/** The outcome event of a call that was answered, with holes. */
export function outcomeSample(logId = SOURCE.logId): JsonObject {
  return outcomeEvent({ ...SOURCE, logId }, ENDED);
}

const SOURCE = {
  logId: "many-events-log-00000000000000000000000000",
  version: "0.1.0",
  replicaId: "0123456789abcdef0123456789abcdef",
  configDigest: "ab".repeat(32),
};
const CALL: ToolCall = {
  ...{ id: hole("decision_id"), upstream: hole("upstream"), method: "tools/call", name: hole("tool") },
  ...{ arguments: { invoice_id: 1, amount_cents: 2 }, argumentsDigest: "ab".repeat(32) },
  ...{ receivedAtMs: 1, deadlineMs: 2, sourceIp: "192.0.2.1" },
};
const PRINCIPAL: Principal = {
  ...{ tenant: "default", agent: hole("agent"), blockIds: [hole("block")], delegates: [], jti: "jti" },
  ...{ issuedAt: 1, expiresAt: 2 },
};
const TRAIL = ["capability", "policy", "budget"].map((check) => ({
  ...{ check, verdict: "pass" as const, micros: 12 },
}));
const ALLOW: Decision = {
  decision: "allow",
  trail: TRAIL,
  facts: { policy: { policy_digest: "cd".repeat(32) } },
};
const BLOCK: Decision = {
  ...{ decision: "block", check: "policy", code: "not_covered", reason: "The policy does not cover it" },
  ...{ trail: TRAIL, facts: {} },
};
const ESCALATE: Decision = {
  ...{ decision: "escalate", check: "policy", code: "approval_required", reason: "Above the limit" },
  ...{ trail: TRAIL, facts: {} },
};
const ANSWERS = { allow: ALLOW, block: BLOCK, escalate: ESCALATE } as const;
const COMMON = { eventId: hole("event_id"), timeMs: TIME, tenant: "default", settingsVersion: 3, salt: SALT };
const DECIDED = { ...COMMON, call: CALL, principal: PRINCIPAL };
const ENDED = {
  ...{ ...COMMON, decisionId: hole("decision_id"), upstream: hole("upstream"), operation: hole("tool") },
  ...{ agent: hole("agent"), sourceIp: "192.0.2.1" },
  ending: {
    ...{
      kind: "ok",
      upstreamStatus: 200,
      resultBytes: 912,
      resultDigest: "cd".repeat(32),
      upstreamMs: 7,
    } as const,
  },
};
