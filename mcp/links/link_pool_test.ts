import assert from "node:assert/strict";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { UpstreamLink } from "../upstream_link.ts";
import { fakeLink, until } from "./link_fixture.ts";
import { type LinkKey, LinkPool, type LinkPoolOptions } from "./link_pool.ts";

const KEY: LinkKey = { upstream: "erp", tenant: "acme" };

/** A pool with a clock of its own that keeps what it opened. */
function poolOf(changes: Partial<LinkPoolOptions> = {}) {
  const opened: ReturnType<typeof fakeLink>[] = [];
  const hints: unknown[] = [];
  const clock = { nowMs: 0 };
  const pool = new LinkPool({
    open: async (_key, era) => {
      hints.push(era);
      await Promise.resolve();
      const link = fakeLink("legacy");
      opened.push(link);
      return link;
    },
    steadyMs: () => clock.nowMs,
    ...changes,
  });
  return { pool, opened, hints, clock };
}

Deno.test("LinkPool opens once however many wait, one link per tenant, principal and capabilities", async () => {
  const { pool, opened, hints } = poolOf();
  const leases = await Promise.all(Array.from({ length: 20 }, () => pool.lease(KEY)));
  assert.equal(opened.length, 1);
  for (
    const other of [{ tenant: "b" }, { blockIds: ["p"] }, { blockIds: ["q"] }, {
      clientCapabilities: { roots: {} },
    }]
  ) {
    (await pool.lease({ ...KEY, ...other })).release();
  }
  assert.equal(opened.length, 5);
  assert.deepEqual(hints, [undefined, undefined, "legacy", "legacy", "legacy"]);
  for (const lease of leases) lease.release();
  await pool.close();
  assert.ok(opened.every((link) => !link.isOpen()));
  await assert.rejects(pool.lease(KEY), { code: "shutting_down" });
});

Deno.test("LinkPool closes what nobody uses, and nothing that somebody does", async () => {
  const { pool, opened } = poolOf({ idleMs: 30 });
  const first = await pool.lease(KEY);
  const second = await pool.lease(KEY);
  first.release();
  first.release();
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(opened[0]?.isOpen(), true);
  second.release();
  await until(() => opened[0]?.isOpen() === false, "the end of the idle link");
  assert.equal(pool.size, 0);
  await pool.close();
});

Deno.test("LinkPool holds a bounded number: the longest unused goes, and never one in use", async () => {
  const { pool, opened, clock } = poolOf({ maxLinks: 2 });
  (await pool.lease({ ...KEY, tenant: "a" })).release();
  clock.nowMs++;
  const used = await pool.lease({ ...KEY, tenant: "b" });
  const third = await pool.lease({ ...KEY, tenant: "c" });
  await until(() => opened[0]?.isOpen() === false, "the end of the oldest");
  await assert.rejects(pool.lease({ ...KEY, tenant: "d" }), { code: "too_many_links" });
  assert.deepEqual(opened.map((link) => link.isOpen()), [false, true, true]);
  for (const lease of [used, third]) lease.release();
  await pool.close();
});

Deno.test("LinkPool leaves an upstream that fails alone, longer each time, and asks for its era again", async () => {
  let fails = true;
  const hints: unknown[] = [];
  const { pool, clock } = poolOf({
    open: (_key, era) => {
      hints.push(era);
      return fails ? Promise.reject(new UpstreamFailure("upstream_failed", "connect_failed")) : opening();
    },
  });
  const opening = (): Promise<UpstreamLink> => Promise.resolve(fakeLink("modern"));
  await assert.rejects(pool.lease(KEY), { code: "connect_failed" });
  await assert.rejects(pool.lease(KEY), { code: "backing_off" });
  clock.nowMs = 500;
  await assert.rejects(pool.lease(KEY), { code: "connect_failed" });
  clock.nowMs = 1_000;
  await assert.rejects(pool.lease(KEY), { code: "backing_off" });
  clock.nowMs = 1_500;
  fails = false;
  (await pool.lease(KEY)).release();
  assert.deepEqual(hints, [undefined, undefined, undefined]);
  await pool.close();
});

Deno.test("LinkPool opens another link for one that was lost, at once when it was steady, later when it was not", async () => {
  const lost: string[] = [];
  const { pool, opened, clock } = poolOf({
    onLost: ({ upstream }, code) => lost.push(`${upstream} ${code}`),
  });
  (await pool.lease(KEY)).release();
  opened[0]?.breakOff("process_exited");
  await until(() => lost.length === 1, "the loss");
  await assert.rejects(pool.lease(KEY), { code: "backing_off" });
  clock.nowMs = 1_000;
  (await pool.lease(KEY)).release();
  clock.nowMs = 60_000;
  opened[1]?.breakOff("session_lost");
  await until(() => lost.length === 2, "the second loss");
  (await pool.lease(KEY)).release();
  assert.deepEqual(lost, ["erp process_exited", "erp session_lost"]);
  assert.equal(opened.length, 3);
  await pool.close();
});

Deno.test("LinkPool closes the links of a revoked principal, also one that is just being opened", async () => {
  const { pool, opened } = poolOf();
  (await pool.lease({ ...KEY, blockIds: ["p"] })).release();
  (await pool.lease({ ...KEY, blockIds: ["q"] })).release();
  const opening = pool.lease({ ...KEY, blockIds: ["p"], session: "new" });
  await pool.closeWhere(({ blockIds }) => blockIds?.[0] === "p");
  await opening;
  assert.deepEqual(opened.map((link) => link.isOpen()), [false, true, false]);
  await pool.close();
});

Deno.test("LinkPool lets no principal and no tenant have all links", async () => {
  const { pool, opened } = poolOf({ maxOfPrincipal: 2, maxOfTenant: 3 });
  const key = (principal: string, n: number) => ({
    ...KEY,
    blockIds: [principal],
    clientCapabilities: { roots: { n } },
  });
  const first = await pool.lease(key("p", 1));
  const held = [await pool.lease(key("p", 2))];
  await assert.rejects(pool.lease(key("p", 3)), { code: "too_many_links" });
  const ofSession = await pool.lease({ ...key("p", 3), session: "s" });
  ofSession.release();
  first.release();
  held.push(await pool.lease(key("p", 3))); // in the place of its own first
  await until(() => opened[0]?.isOpen() === false, "the end of the first");
  held.push(await pool.lease(key("q", 1)));
  await assert.rejects(pool.lease(key("r", 1)), { code: "too_many_links" });
  held.push(await pool.lease({ ...key("r", 1), tenant: "other" }));
  for (const lease of held) lease.release();
  await pool.close();
});

Deno.test("LinkPool tells who holds a link when it is gone, and nobody who gave it back", async () => {
  const { pool, opened } = poolOf();
  const told: string[] = [];
  const holder = await pool.lease(KEY, () => told.push("holder"));
  (await pool.lease(KEY, () => told.push("former"))).release();
  opened[0]?.breakOff("process_exited");
  await until(() => told.length > 0, "telling");
  assert.deepEqual(told, ["holder"]);
  holder.release();
  await pool.close();
});

Deno.test("LinkPool gives no principal all programs, and leaves a broken upstream alone whoever asks", async () => {
  const { pool } = poolOf({ maxProcessesOfPrincipal: 2, maxProcessesOfTenant: 3 });
  const key = (root: string, session: string): LinkKey => ({
    ...{ ...KEY, blockIds: [root, session], session, isProcess: true },
  });
  const held = [await pool.lease(key("p", "1")), await pool.lease(key("p", "2"))];
  await assert.rejects(pool.lease(key("p", "3")), { code: "too_many_links" });
  held.push(await pool.lease(key("q", "1")));
  await assert.rejects(pool.lease(key("r", "1")), { code: "too_many_links" });
  held.push(await pool.lease({ ...KEY, isProcess: true })); // the one that the tenant shares
  for (const lease of held) lease.release();
  await pool.close();

  let starts = 0;
  const broken = poolOf({
    open: () => {
      starts++;
      return Promise.reject(new UpstreamFailure("upstream_failed", "process_exited"));
    },
  });
  for (let n = 0; n < 20; n++) {
    await assert.rejects(broken.pool.lease(key(`p${n}`, `${n}`)), { kind: "upstream_failed" });
  }
  assert.equal(starts, 1);
  await broken.pool.close();
});

Deno.test("LinkPool lets a principal whose own link breaks again and again wait, and others not", async () => {
  const { pool, opened } = poolOf();
  const own = { ...KEY, blockIds: ["p"], session: "s" };
  (await pool.lease(own)).release();
  opened[0]?.breakOff("process_exited");
  await until(() => pool.size === 0, "the loss");
  await assert.rejects(pool.lease({ ...own, session: "t" }), { code: "backing_off" });
  (await pool.lease({ ...KEY, blockIds: ["q"] })).release();
  await pool.close();
});
