import assert from "node:assert/strict";
import fc from "fast-check";
import type { JsonObject } from "../../core/json.ts";
import { type EventTerms, fitsTerms } from "../event_terms.ts";
import { searchEvents, type SearchIndex } from "./search_events.ts";
import { searchedChain } from "./search_fixture.ts";
import { SEGMENT_EVENTS } from "./segment.ts";

/** Times that go back now and then, as records that come late do. */
const EVENTS: readonly JsonObject[] = Array.from({ length: 3 * SEGMENT_EVENTS + 700 }, (_, at) => ({
  time: (10_000 + at - (at % 97 === 0 ? 5_000 : 0)) * 1000,
  actor: { app_uid: at === 5_000 ? "rare" : `agent-${at % 7}` },
  api: { operation: `tool-${at % 11}` },
  unmapped: { decision: at % 3 === 0 ? "block" : "allow", block_ids: [`b${at % 400}`] },
}));

const never = () => false;

async function pages(
  index: SearchIndex,
  asked: EventTerms,
  limit: number,
  before?: number,
): Promise<number[]> {
  const seqs: number[] = [];
  for (let next = before, isFirst = true; isFirst || next !== undefined; isFirst = false) {
    const { events, nextBefore } = await searchEvents(index, {
      chain: "c",
      asked,
      limit,
      before: next,
      isLate: never,
    });
    assert.ok(events.length <= limit);
    assert.ok(
      nextBefore === undefined || nextBefore < (next ?? Infinity),
      "every page comes nearer to the end",
    );
    seqs.push(...events.map(({ seq }) => seq));
    next = nextBefore;
  }
  return seqs;
}

const wanted = (asked: EventTerms, before = Infinity, from = 1): number[] =>
  EVENTS.flatMap((event, at) => at + 1 >= from && at + 1 < before && fitsTerms(event, asked) ? [at + 1] : [])
    .toReversed();

const asked: fc.Arbitrary<EventTerms> = fc.record({
  agent: fc.constantFrom("agent-1", "agent-6", "rare", "nobody"),
  tool: fc.constantFrom("tool-0", "tool-10"),
  decision: fc.constantFrom("allow", "block", "escalate"),
  block_id: fc.constantFrom("b0", "b7", "b399"),
  from_time: fc.integer({ min: 4_000, max: 24_000 }),
  to_time: fc.integer({ min: 4_000, max: 24_000 }),
}, { requiredKeys: [] });

Deno.test("searchEvents() finds exactly what fits, newest first, page by page, however much is indexed", async () => {
  const indexes = [0, 1, 3].map((segments) => searchedChain(EVENTS, segments));
  await fc.assert(
    fc.asyncProperty(
      ...[asked, fc.integer({ min: 0, max: 2 }), fc.constantFrom(1, 7, 100, 1_000)] as const,
      fc.option(fc.integer({ min: 1, max: EVENTS.length + 10 }), { nil: undefined }),
      async (terms, at, limit, before) => {
        const expected = wanted(terms, before);
        // One at a time through thousands takes too long, and says no more.
        const most = Math.max(limit, Math.ceil(expected.length / 20));
        assert.deepEqual(await pages(indexes[at] ?? assert.fail(), terms, most, before), expected);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("searchEvents() gives what it has when it is late, and goes on from there", async () => {
  const index = searchedChain(EVENTS, 2);
  let looks = 0;
  const asked = { agent: "rare" };
  const first = await searchEvents(index, { chain: "c", asked, limit: 10, isLate: () => looks++ >= 1 });
  assert.deepEqual([first.events.length, first.indexedTo], [0, 2 * SEGMENT_EVENTS]);
  assert.ok(first.nextBefore !== undefined && first.nextBefore > 5_001);
  assert.deepEqual(await pages(index, asked, 10, first.nextBefore), [5_001]);
  const found: number[] = [];
  for (let before: number | undefined, asks = 0; asks === 0 || before !== undefined; asks++) {
    const page = await searchEvents(index, { chain: "c", asked, limit: 10, before, isLate: () => true });
    found.push(...page.events.map(({ seq }) => seq));
    before = page.nextBefore;
    assert.ok(asks < 100, "always late, and yet it comes to the end");
  }
  assert.deepEqual(found, [5_001]);
});

Deno.test("searchEvents() looks at nothing that retention has taken, and says that nothing older is left", async () => {
  for (const segments of [0, 3]) {
    const index = searchedChain(EVENTS, segments, 4_609);
    assert.deepEqual(await pages(index, { agent: "rare" }, 10), [5_001]);
    assert.deepEqual(
      await pages(index, { block_id: "b7" }, 1_000),
      wanted({ block_id: "b7" }, Infinity, 4_609),
    );
  }
  const empty = await searchEvents(searchedChain([], 0), { chain: "c", asked: {}, limit: 1, isLate: never });
  assert.deepEqual(empty, { events: [], indexedTo: 0 });
});

Deno.test("searchEvents() takes few statements to find that nothing fits, however small the page", async () => {
  const index = searchedChain(EVENTS, 0);
  let statements = 0;
  const counting: SearchIndex = {
    ...index,
    newest: (...asked) => {
      statements++;
      return index.newest(...asked);
    },
  };
  assert.deepEqual(await pages(counting, { to_time: 1 }, 1), []);
  assert.ok(statements < 40, `${statements} statements for ${EVENTS.length} events`);
});

Deno.test("searchEvents() is not misled by a hash that two terms have", async () => {
  const honest = searchedChain(EVENTS, 3);
  const lying: SearchIndex = {
    ...honest,
    segmentsWith: async (chain, range) =>
      new Map(
        [...await honest.segmentsWithin(chain, range, { from: -Infinity, to: Infinity })].map(([segment]) => [
          segment,
          [new Uint8Array(512).fill(255)],
        ]),
      ),
  };
  assert.deepEqual(await pages(lying, { agent: "rare" }, 50), [5_001]);
});
