import assert from "node:assert/strict";
import {
  createRevocationFeed,
  type FeedRow,
  type Revocation,
  type RevocationFeedOptions,
} from "./revocation_feed.ts";

const subject = { tenant: "acme", agent: "a", upstream: "erp", blockIds: ["r", "c"], issuedAt: 100 };

function feedOf(rows: FeedRow[], overrides: Partial<RevocationFeedOptions> = {}) {
  const state = { rows, nowMs: 1_000, down: false, notify: () => {} };
  const answer = <T>(value: T) =>
    state.down ? Promise.reject(new Error("database down")) : Promise.resolve(value);
  const feed = createRevocationFeed({
    source: {
      readCounter: () => answer(state.rows.at(-1)?.number ?? 0),
      readAfter: (number, limit) => answer(state.rows.filter((row) => row.number > number).slice(0, limit)),
      listen: (onChange) => Promise.resolve(void (state.notify = onChange)),
    },
    nowMs: () => state.nowMs,
    maxAgeMs: 5_000,
    pollMs: 60_000,
    onError: () => {},
    ...overrides,
  });
  return { feed, state };
}

Deno.test("isRevoked() finds every kind, for the right tenant only", async () => {
  const cases: [Omit<Revocation, "number" | "effect">, string | undefined][] = [
    [{ tenant: "acme", kind: "block", value: "r" }, "block"],
    [{ tenant: "acme", kind: "block", value: "c" }, "block"],
    [{ tenant: "acme", kind: "block", value: "x" }, undefined],
    [{ tenant: "other", kind: "block", value: "r" }, undefined],
    [{ tenant: "acme", kind: "agent", value: "a" }, "agent"],
    [{ tenant: "acme", kind: "upstream", value: "erp" }, "upstream"],
    [{ tenant: "acme", kind: "tenant" }, "tenant"],
    [{ tenant: "other", kind: "tenant" }, undefined],
    [{ kind: "all" }, "all"],
    [{ tenant: "acme", kind: "agent", value: "a", before: 100 }, undefined],
    [{ tenant: "acme", kind: "agent", value: "a", before: 101 }, "agent"],
  ];
  for (const [row, expected] of cases) {
    const { feed } = feedOf([{ number: 1, effect: "revoke", ...row }]);
    await feed.start();
    assert.equal(feed.isRevoked(subject), expected, JSON.stringify(row));
    const isOfRoot = expected === "block" && row.value === "r";
    assert.equal(feed.isBlockRevoked("acme", "r"), isOfRoot, JSON.stringify(row));
    await feed.close();
  }
});

Deno.test("a later row with an earlier time does not take back an earlier revocation", async () => {
  const { feed } = feedOf([
    { number: 1, effect: "revoke", tenant: "acme", kind: "agent", value: "a" },
    { number: 2, effect: "revoke", tenant: "acme", kind: "agent", value: "a", before: 5 },
  ]);
  await feed.start();
  assert.equal(feed.isRevoked(subject), "agent");
  await feed.close();
});

Deno.test("a notification is read at once, also one that arrives during a read", async () => {
  const { feed, state } = feedOf([]);
  await feed.start();
  assert.equal(feed.isRevoked(subject), undefined);
  state.notify();
  state.rows.push({ number: 1, effect: "revoke", kind: "all" });
  state.notify();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(feed.isRevoked(subject), "all");
  await feed.close();
});

Deno.test("isFresh() turns false when the counter cannot be read, and true again when it can", async () => {
  const { feed, state } = feedOf([], { pollMs: 5 });
  await feed.start();
  assert.equal(feed.isFresh(), true);
  state.down = true;
  state.nowMs += 5_001;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(feed.isFresh(), false);
  state.down = false;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(feed.isFresh(), true);
  await feed.close();
});

Deno.test("start() rejects when the feed cannot be read", async () => {
  const { feed, state } = feedOf([]);
  state.down = true;
  await assert.rejects(feed.start(), /database down/);
  await feed.close();
});

Deno.test("a kill switch stops until its release, again when engaged again, and a revocation is never released", async () => {
  const engage = { effect: "engage", scope: "agent", tenant: "acme", value: "a" } as const;
  const steps: [FeedRow, string | undefined, number[]][] = [
    [{ number: 1, effect: "revoke", tenant: "acme", kind: "agent", value: "b" }, undefined, []],
    [{ number: 2, ...engage, createdAt: 10 }, "agent", [2]],
    [{ number: 3, effect: "release", releases: 2 }, undefined, []],
    [{ number: 4, ...engage, createdAt: 20 }, "agent", [4]],
    [{ number: 5, effect: "engage", scope: "all", createdAt: 30 }, "all", [4, 5]],
    [{ number: 6, effect: "release", releases: 5 }, "agent", [4]],
    [{ number: 7, effect: "release", releases: 1 }, "agent", [4]],
    [{ number: 8, effect: "release", releases: 4 }, undefined, []],
  ];
  const { feed, state } = feedOf([]);
  let heard = 0;
  feed.onRestricted(() => heard++);
  await feed.start();
  for (const [row, scope, engaged] of steps) {
    state.rows.push(row);
    state.notify();
    await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(feed.stoppedBy(subject), scope, `after row ${row.number}`);
    assert.deepEqual(feed.engagedSwitches().map(({ number }) => number), engaged);
    assert.equal(feed.isRevoked({ ...subject, agent: "b" }), "agent");
  }
  assert.equal(heard, 4, "once for the revocation, and once for each engaged switch");
  await feed.close();
});
