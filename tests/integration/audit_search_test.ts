/** Search over the real tables, on both databases: what it finds, while the record grows, is indexed and is pruned. */
import assert from "node:assert/strict";
import { type EventTerms, fitsTerms } from "../../audit/event_terms.ts";
import { createIndexer } from "../../audit/search/indexer.ts";
import { searchEvents } from "../../audit/search/search_events.ts";
import { SEGMENT_EVENTS } from "../../audit/search/segment.ts";
import type { AuditEntry } from "../../core/audit_entry.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createAuditSearch } from "../../store/audit_search.ts";
import type { Database } from "../../store/database.ts";
import { createTenants } from "../../store/tenants.ts";
import { makeManyEvents, MANY, RARE_AGENT } from "../many_events.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();

const EVENTS = 2 * SEGMENT_EVENTS + 1_000;

function indexerOf(database: Database, replica = "replica") {
  const tables = createAuditSearch(database);
  return createIndexer({
    store: { ...tables, lead: () => tables.lead(replica, 30) },
    ...{ onError: (error) => assert.fail(String(error)), steadyMs: () => performance.now(), pausePerMs: 0 },
  });
}

async function search(database: Database, chain: string, asked: EventTerms, limit = 100, before?: number) {
  const index = createAuditSearch(database);
  return await searchEvents(index, { chain, asked, limit, before, isLate: () => false });
}

async function seqsOf(
  database: Database,
  chain: string,
  asked: EventTerms,
  limit = 1_000,
): Promise<number[]> {
  const seqs: number[] = [];
  for (let before: number | undefined, isFirst = true; isFirst || before !== undefined; isFirst = false) {
    const page = await search(database, chain, asked, limit, before);
    seqs.push(...page.events.map(({ seq }) => seq));
    before = page.nextBefore;
  }
  return seqs;
}

/** The same by looking at every event. */
async function fitting(database: Database, chain: string, asked: EventTerms): Promise<number[]> {
  const rows = await createAuditEvents(database).read(chain, 0, 100_000);
  return rows.filter(({ canonical }) => fitsTerms(JSON.parse(canonical), asked)).map(({ seq }) => seq)
    .toReversed();
}

function entry(chain: string, n: number, agent: string): AuditEntry {
  const event = { actor: { app_uid: agent }, n, time: MANY.startMs + n, unmapped: { decision: "allow" } };
  return { chain, eventId: `${chain} ${n}`, canonical: JSON.stringify(event), conditions: [] };
}

const start = MANY.startMs / 1000;
const ASKED: readonly EventTerms[] = [
  { agent: "agent-3" },
  { agent: RARE_AGENT },
  { agent: RARE_AGENT, decision: "allow" },
  { decision: "escalate", code: "approval_required" },
  { agent: "agent-3", tool: "tool_9" },
  { upstream: "upstream-2", check: "policy", decision: "block" },
  { event_code: "call.ended", from_time: start + 100, to_time: start + 160 },
  { from_time: start + 900 },
  { to_time: start + 1 },
  { agent: "nobody" },
];

test("search finds what looking at every event finds, before and after it is indexed, in one chain", async (fixture) => {
  const database = await fixture.migrated();
  const owner = await fixture.owner();
  await database.transact((tx) => createTenants(database).ensure(tx, "acme"));
  await makeManyEvents(owner.sql, "default", EVENTS);
  await createAuditEvents(database).append([1, 2, 3].map((n) => entry("acme", n, "agent-3")));
  for (const isIndexed of [false, true]) {
    if (isIndexed) await indexerOf(database).indexAll();
    const { indexedTo } = await search(database, "default", {});
    assert.equal(indexedTo, isIndexed ? 2 * SEGMENT_EVENTS : 0);
    for (const asked of ASKED) {
      const expected = await fitting(database, "default", asked);
      assert.deepEqual(await seqsOf(database, "default", asked), expected, JSON.stringify(asked));
    }
    assert.deepEqual(
      await seqsOf(database, "acme", { agent: "agent-3" }),
      [3, 2, 1],
      "nothing of another tenant",
    );
    assert.deepEqual(await seqsOf(database, "acme", {}), [3, 2, 1]);
  }
  const one = (await search(database, "default", { agent: "agent-3" }, 1)).events[0];
  const ids = { decision_id: String((one?.event.metadata as { correlation_uid: string }).correlation_uid) };
  assert.equal((await seqsOf(database, "default", ids)).length, 2, "a decision and its outcome");
  const [, decided] = (await search(database, "default", ids)).events;
  const [block] = (decided?.event.unmapped as { block_ids: string[] }).block_ids;
  const ofBlock = { block_id: block };
  assert.deepEqual(await seqsOf(database, "default", ofBlock), await fitting(database, "default", ofBlock));
});

test("pages go on where they were while events come and are indexed", async (fixture) => {
  const database = await fixture.migrated();
  await makeManyEvents((await fixture.owner()).sql, "default", SEGMENT_EVENTS - 100);
  const events = createAuditEvents(database);
  const expected = await fitting(database, "default", { agent: "agent-3" });
  const found: number[] = [];
  let n = 0;
  for (let before: number | undefined, isFirst = true; isFirst || before !== undefined; isFirst = false) {
    const page = await search(database, "default", { agent: "agent-3" }, 10, before);
    found.push(...page.events.map(({ seq }) => seq));
    before = page.nextBefore;
    await events.append(Array.from({ length: 40 }, () => entry("default", ++n, "agent-3")));
    await indexerOf(database).indexAll();
  }
  assert.deepEqual(found, expected, "every event that was there when the walk began, once");
  const { indexedTo } = await search(database, "default", {});
  assert.ok(indexedTo >= SEGMENT_EVENTS, "indexed on the way");
});

test("one replica fills the index at a time, another goes on where it ended, and no segment comes twice", async (fixture) => {
  const database = await fixture.migrated();
  const tables = createAuditSearch(database);
  await makeManyEvents((await fixture.owner()).sql, "default", EVENTS);
  assert.equal(await tables.lead("one", 30), true);
  await indexerOf(database, "two").indexAll();
  assert.equal((await tables.bounds("default")).segments, 0, "the lease is another's");
  assert.equal(await tables.lead("one", 0), true);
  const both = [indexerOf(database, "two"), indexerOf(database, "two")];
  await Promise.all(both.map((indexer) => indexer.indexAll()));
  await both[0]?.indexAll(); // whoever was slower stopped there
  assert.deepEqual(await tables.bounds("default"), { firstSeq: 1, headSeq: EVENTS, segments: 2 });
  const rows = { firstTime: 0, lastTime: 0, times: new Uint8Array(32_768), hits: new Map() };
  for (const segment of [0, 1, 2, 3]) {
    assert.equal(await tables.add("default", segment, rows), false, "there already, or not full yet");
  }
  assert.equal(both[0]?.behind(), 0);
});

test("the index forgets what retention has taken, and search ends where the record begins", async (fixture) => {
  const database = await fixture.migrated();
  const owner = await fixture.owner();
  const tables = createAuditSearch(database);
  await makeManyEvents(owner.sql, "default", EVENTS);
  await indexerOf(database).indexAll();
  await owner.sql.unsafe(`
    ALTER TABLE audit_events DISABLE TRIGGER USER;
    DELETE FROM audit_events WHERE seq <= ${SEGMENT_EVENTS + 256};
    ALTER TABLE audit_events ENABLE TRIGGER USER;`);
  for (const isForgotten of [false, true]) {
    if (isForgotten) await tables.forget("default");
    for (const asked of [{ agent: "agent-3" }, { decision: "block" }, { to_time: start + 1 }]) {
      assert.deepEqual(await seqsOf(database, "default", asked), await fitting(database, "default", asked));
    }
  }
  const [row] = await owner.sql<{ segments: number; terms: number }[]>`
    SELECT (SELECT count(*) FROM audit_search_segments)::int AS segments, min(segment) AS terms FROM audit_search_terms`;
  assert.deepEqual({ ...row }, { segments: 1, terms: 1 });
  await indexerOf(database).indexAll();
  assert.equal(
    (await tables.bounds("default")).segments,
    2,
    "it goes on after the last segment, not at the first",
  );
});
