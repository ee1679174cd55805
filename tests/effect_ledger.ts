/** Holds what the upstream saw and what agents were told against the audit chain: call by call, not by counting. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import type { Database } from "../store/database.ts";
import type { LoadReport } from "./constant_load.ts";

/** What was found, for the report. */
export interface LedgerSummary {
  readonly allows: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Effects whose agent never got an answer; each has its allow all the same. */
  readonly unansweredEffects: number;
  /** Answers that said the chain could not be written; each has its decision there all the same. */
  readonly late: number;
}

interface Allow {
  readonly decisionId: string;
  readonly digest: string;
  readonly salt: string;
  readonly outcomes: string[];
}

/** Answers that say nothing was decided. */
const UNDECIDED = new Set(["shutting_down", "database_unavailable"]);

/** Answers that say the chain could not be written: the decision was written later. */
const LATE = new Set(["audit_unavailable", "revocations_stale"]);

/**
 * Asserts: every effect has an allow of its own for exactly these arguments, no call had two effects, every answer has
 * its decision in the chain once, also those that said the chain could not be written, every allow has exactly one
 * outcome, and none that was `not_forwarded` had an effect.
 */
export async function judgeEffects(
  db: Database,
  chain: string,
  effects: readonly number[],
  load: LoadReport,
): Promise<LedgerSummary> {
  const { allows, refused } = await readDecisions(db, chain);
  assert.equal(new Set(effects).size, effects.length, "a call had two effects");
  const claimed = new Map<string, number>();
  let late = 0;
  const told = new Map(load.answered.map((call) => [call.n, call]));
  for (const { n, result, decisionId } of load.answered) {
    if (result === "overloaded") continue; // refused at the door: there is no decision, and below no effect
    assert.ok(decisionId !== undefined, `call ${n} was answered ${result} without a decision id`);
    if (UNDECIDED.has(result)) continue;
    const allow = allows.get(decisionId);
    if (LATE.has(result)) {
      const times = Number(allow !== undefined) + (refused.get(decisionId) ?? 0);
      assert.equal(
        times,
        1,
        `call ${n} was answered ${result}; its decision ${decisionId} is in the chain ${times} times`,
      );
      late++;
      continue;
    }
    if (refused.has(decisionId)) continue;
    assert.ok(
      allow !== undefined,
      `call ${n} was answered ${result}; its decision ${decisionId} is not in the chain`,
    );
    assert.ok(fits(allow, n), `decision ${decisionId} is not about call ${n}`);
    claimed.set(decisionId, n);
  }
  const unclaimed = [...allows.values()].filter(({ decisionId }) => !claimed.has(decisionId));
  let unansweredEffects = 0;
  for (const n of effects) {
    const answer = told.get(n);
    if (answer?.decisionId !== undefined && claimed.get(answer.decisionId) === n) continue;
    assert.equal(answer, undefined, `call ${n} had an effect and was answered ${answer?.result}`);
    const at = unclaimed.findIndex((allow) => fits(allow, n));
    assert.ok(at >= 0, `call ${n} had an effect without an allow in the chain`);
    claimed.set(unclaimed.splice(at, 1)[0]!.decisionId, n);
    unansweredEffects++;
  }
  const outcomes = checkOutcomes(allows, claimed, new Set(effects));
  return { allows: allows.size, outcomes, unansweredEffects, late };
}

function checkOutcomes(
  allows: ReadonlyMap<string, Allow>,
  claimed: ReadonlyMap<string, number>,
  effects: ReadonlySet<number>,
): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const { decisionId, outcomes } of allows.values()) {
    assert.equal(outcomes.length, 1, `${decisionId} has the outcomes ${outcomes.join(", ") || "(none)"}`);
    const [outcome] = outcomes;
    const n = claimed.get(decisionId);
    const hadEffect = n !== undefined && effects.has(n);
    if (outcome === "not_forwarded") assert.ok(!hadEffect, `${decisionId}: not_forwarded, and had an effect`);
    if (outcome === "ok") assert.ok(hadEffect, `${decisionId}: ok, and had no effect`);
    counted[outcome!] = (counted[outcome!] ?? 0) + 1;
  }
  return counted;
}

async function readDecisions(db: Database, chain: string) {
  const allows = new Map<string, Allow>();
  const refused = new Map<string, number>();
  const ended: [string, string][] = [];
  const rows = db.sql<{ event: string; salt: string | null }[]>`
    SELECT e.event, encode(s.salt, 'hex') AS salt
    FROM audit_events e LEFT JOIN audit_salts s ON s.chain = e.chain AND s.seq = e.seq
    WHERE e.chain = ${chain} ORDER BY e.seq`.cursor(1_000);
  for await (const batch of rows) {
    for (const { event: text, salt } of batch) {
      const event = JSON.parse(text);
      const decisionId = event.metadata.correlation_uid;
      if (event.metadata.event_code === "call.ended") ended.push([decisionId, event.unmapped.outcome]);
      if (event.unmapped?.decision === "block") refused.set(decisionId, (refused.get(decisionId) ?? 0) + 1);
      if (event.unmapped.decision !== "allow") continue;
      assert.ok(!allows.has(decisionId), `${decisionId} was allowed twice`);
      assert.ok(salt !== null, `${decisionId} has no salt`);
      allows.set(decisionId, { decisionId, digest: event.unmapped.arguments.digest, salt, outcomes: [] });
    }
  }
  for (const [decisionId, outcome] of ended) {
    const allow = allows.get(decisionId);
    assert.ok(allow !== undefined, `${decisionId} ended and was never allowed`);
    allow.outcomes.push(outcome);
  }
  return { allows, refused };
}

/** Made apart from the code under test, from docs/reference/audit.md. */
function fits({ digest, salt }: Allow, n: number): boolean {
  const canonical = createHash("sha256").update(`{"n":${n}}`).digest("hex");
  return digest === createHmac("sha256", Uint8Array.fromHex(salt)).update(canonical).digest("hex");
}
