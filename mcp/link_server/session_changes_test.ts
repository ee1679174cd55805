import assert from "node:assert/strict";
import { fakeLink, until } from "../links/link_fixture.ts";
import { LinkPool } from "../links/link_pool.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { UpstreamLink } from "../upstream_link.ts";
import { KeptStreams } from "./kept_streams.ts";
import { SessionChanges } from "./session_changes.ts";

const kept = () => {
  const keeper = new KeptStreams({ newId: () => crypto.randomUUID(), steadyMs: () => performance.now() });
  return keeper.open({ tenant: "acme", maxKept: 10_000, onForgotten: () => {} });
};

const KEY = { upstream: "fs", tenant: "acme" };

/** The notices of a session on a link that is opened like this. */
function setup(open: () => Promise<UpstreamLink>, idleMs = 5) {
  const pool = new LinkPool({ open, steadyMs: () => performance.now(), idleMs });
  const changes = new SessionChanges({
    upstreams: ["fs"],
    lease: (_upstream, onGone) => pool.lease(KEY, onGone),
    shownUri: (_upstream, uri) => uri,
    ...{ kept: kept(), mayPrime: false },
  });
  return { pool, changes };
}

Deno.test("a session that ends while it begins to listen gives its link back", async () => {
  const listening = Promise.withResolvers<void>();
  let stopped = 0;
  const link = {
    ...fakeLink("legacy"),
    listen: async () => {
      await listening.promise;
      return () => void stopped++;
    },
  };
  const { pool, changes } = setup(() => Promise.resolve(link));
  const watching = changes.watch("fs", "file:///a");
  await new Promise((resolve) => setTimeout(resolve, 5));
  changes.close();
  listening.resolve();
  await watching;
  assert.equal(stopped, 1);
  await until(() => pool.size === 0, "closing the unused link");
  await pool.close();
});

Deno.test("an upstream that cannot be listened to is tried by one timer, however often the stream is opened", async () => {
  let asked = 0;
  const changes = new SessionChanges({
    upstreams: ["fs"],
    lease: () => {
      asked++;
      return Promise.reject(new UpstreamFailure("upstream_failed", "cannot_start"));
    },
    shownUri: (_upstream, uri) => uri,
    ...{ kept: kept(), mayPrime: false },
  });
  const streams = [];
  for (let n = 0; n < 10; n++) {
    streams.push(changes.open(new AbortController().signal));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.equal(asked, 10);
  await new Promise((resolve) => setTimeout(resolve, 5_200));
  assert.equal(asked, 11);
  changes.close();
  for (const { body } of streams) await body?.cancel();
});

Deno.test("a stream whose client has gone before it was opened ends", async () => {
  const { pool, changes } = setup(() => Promise.resolve(fakeLink("legacy")));
  const gone = new AbortController();
  gone.abort();
  assert.equal(await changes.open(gone.signal).text(), "");
  assert.equal(changes.isOpen, false);
  changes.close();
  await pool.close();
});

Deno.test("listening again and again leaves nothing behind at a link that others share", async () => {
  const link = fakeLink("legacy");
  let waiting = 0;
  const { gone } = link;
  const then = gone.then.bind(gone);
  Object.assign(gone, {
    then: (...args: Parameters<typeof then>) => {
      waiting++;
      return then(...args);
    },
  });
  const { pool, changes } = setup(() => Promise.resolve(link), 60_000);
  for (let n = 0; n < 20; n++) {
    await changes.watch("fs", `file:///${n}`);
    await changes.unwatch("fs", `file:///${n}`);
  }
  assert.equal(waiting, 1);
  changes.close();
  await pool.close();
});

Deno.test("a link that is lost is listened to again", async () => {
  const links: ReturnType<typeof fakeLink>[] = [];
  const { pool, changes } = setup(() => {
    links.push(fakeLink("legacy"));
    return Promise.resolve(links.at(-1) as UpstreamLink);
  });
  const stream = changes.open(new AbortController().signal);
  await until(() => links.length === 1, "opening the link");
  links[0]?.breakOff("process_exited");
  await new Promise((resolve) => setTimeout(resolve, 5_300));
  assert.equal(links.length, 2);
  changes.close();
  await stream.body?.cancel();
  await pool.close();
});
