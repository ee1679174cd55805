import assert from "node:assert/strict";
import { hex } from "../digest.ts";
import { leafHash } from "../merkle_tree.ts";
import type { EventTerms } from "../event_terms.ts";
import { followChain, type Followed, type FollowedChain } from "./follow_chain.ts";
import { createHeadFeed } from "./head_feed.ts";

/** A chain that grows while it is followed; `pruned` of its first events are gone. */
function growingChain(length: number, pruned = 0) {
  const texts: string[] = [];
  const reads = { pages: 0 };
  const append = (count: number) => {
    for (let n = 0; n < count; n++) {
      texts.push(JSON.stringify({ n: texts.length + 1, actor: { app_uid: `a${texts.length % 3}` } }));
    }
  };
  append(length);
  const chain: FollowedChain = {
    bounds: () => Promise.resolve({ firstSeq: pruned + 1, headSeq: texts.length, segments: 0 }),
    oldest: (_, { after, upTo }, needles, limit) => {
      reads.pages++;
      const from = Math.max(after, pruned);
      return Promise.resolve(
        texts.slice(from, upTo).map((canonical, at) => ({ seq: from + at + 1, canonical, hash: "" }))
          .filter(({ canonical }) => needles.every((needle) => canonical.includes(needle))).slice(0, limit),
      );
    },
    fullTile: (_, level, index) => {
      assert.equal(level, 0);
      const leaves = texts.slice(index * 256, index * 256 + 256).map(leafHash);
      return Promise.resolve(new Uint8Array(leaves.flatMap((leaf) => [...leaf])));
    },
  };
  const heads = createHeadFeed({
    ...{ read: () => Promise.resolve(new Map([["c", texts.length]])), intervalMs: 1 },
    onError: (error) => assert.fail(String(error)),
  });
  return { chain, heads, append, reads, texts };
}

function follow(
  { chain, heads }: ReturnType<typeof growingChain>,
  after: number,
  asked: EventTerms = {},
  signal = new AbortController().signal,
) {
  return followChain(chain, heads, { chain: "c", after, asked, quietMs: 20, signal });
}

/** Takes pages until the follower has come to `seq`. */
async function take(pages: AsyncGenerator<Followed>, seq: number): Promise<Followed["events"]> {
  const events = [];
  for (;;) {
    const { value, done } = await pages.next();
    if (done === true) assert.fail("it ended");
    events.push(...value.events);
    if (value.seq >= seq) return events;
  }
}

const seqs = (events: Followed["events"]) => events.map(({ seq }) => seq);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

Deno.test("followChain() gives what is there and what comes, each once and in order", async () => {
  const growing = growingChain(100);
  const pages = follow(growing, 40);
  assert.deepEqual(seqs(await take(pages, 100)), numbers(41, 100));
  const timer = setInterval(() => growing.append(37), 1);
  const rest = await take(pages, 1_000);
  clearInterval(timer);
  assert.deepEqual(seqs(rest), numbers(101, rest.at(-1)?.seq ?? 0));
  assert.deepEqual(
    rest.map((event) => "canonical" in event ? event.canonical : ""),
    growing.texts.slice(100, rest.at(-1)?.seq),
  );
  await pages.return(undefined);
});

Deno.test("followChain() reads no page that nobody asks for", async () => {
  const growing = growingChain(1_000);
  const pages = follow(growing, 0);
  await pages.next();
  growing.append(5_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(growing.reads.pages, 1);
  await pages.return(undefined);
});

Deno.test("followChain() says how far it has looked when nothing comes or nothing fits", async () => {
  const growing = growingChain(5_000);
  const pages = follow(growing, 4_990, { agent: "nobody" });
  assert.deepEqual((await pages.next()).value, { events: [], seq: 5_000 });
  growing.append(40_000);
  const seen = (await pages.next()).value;
  assert.ok(seen?.events.length === 0 && seen.seq > 5_000, "far behind with nothing that fits");
  await pages.return(undefined);
});

Deno.test("followChain() leaves out what does not fit, and nothing else", async () => {
  const growing = growingChain(300);
  const pages = follow(growing, 10, { agent: "a1" });
  const expected = numbers(11, 300).filter((seq) => seq % 3 === 2);
  assert.deepEqual(seqs(await take(pages, 300)), expected);
  await pages.return(undefined);
});

Deno.test("followChain() gives the leaf hash of what retention has taken, with a filter nothing", async () => {
  const growing = growingChain(700, 512);
  const pages = follow(growing, 250);
  const events = await take(pages, 700);
  assert.deepEqual(seqs(events), numbers(251, 700));
  for (const event of events) {
    const leaf = hex(leafHash(growing.texts[event.seq - 1] ?? ""));
    assert.equal("leafHash" in event ? event.leafHash : undefined, event.seq <= 512 ? leaf : undefined);
  }
  await pages.return(undefined);
  const filtered = follow(growing, 0, { agent: "a1" });
  assert.deepEqual(seqs(await take(filtered, 700)), numbers(513, 700).filter((seq) => seq % 3 === 2));
  await filtered.return(undefined);
});

Deno.test("followChain() ends with its signal, and with an error where an event is missing", async () => {
  const aborter = new AbortController();
  const growing = growingChain(5);
  const pages = follow(growing, 5, {}, aborter.signal);
  const next = pages.next();
  aborter.abort();
  assert.deepEqual(await next, { done: true, value: undefined });
  const { chain, heads } = growingChain(10);
  const holed: FollowedChain = {
    ...chain,
    oldest: async (...asked) => (await chain.oldest(...asked)).filter(({ seq }) => seq !== 4),
  };
  const broken = followChain(holed, heads, {
    ...{ chain: "c", after: 3, asked: {}, quietMs: 20, signal: new AbortController().signal },
  });
  await assert.rejects(broken.next(), /Expected event 4 of "c", found none/);
});

Deno.test("followChain() ends when the chain has become shorter: the database was restored", async () => {
  const growing = growingChain(10);
  const pages = follow(growing, 0);
  assert.deepEqual(seqs(await take(pages, 10)), numbers(1, 10));
  const next = pages.next();
  growing.texts.length = 5;
  assert.equal((await next).done, true);
  growing.append(7);
});
