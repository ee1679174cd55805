import assert from "node:assert/strict";
import { fakeLink } from "../links/link_fixture.ts";
import type { NotificationListener } from "../upstream_link.ts";
import { ListenStream, MAX_EARLY } from "./listen_stream.ts";

/** A link that says what it is told. */
function talking() {
  let tell: NotificationListener = () => {};
  const link = {
    ...fakeLink("modern"),
    listen: (_filter: unknown, listener: NotificationListener) => {
      tell = listener;
      return Promise.resolve(() => {});
    },
  };
  return { link, tell: (method: string) => tell(method, {}) };
}

Deno.test("a stream that hears too much before it is acknowledged ends and gives its links back", async () => {
  const stream = new ListenStream(1, new AbortController().signal);
  const { link, tell } = talking();
  let released = 0;
  await stream.add({ link, release: () => void released++ }, {}, (_method, params) => params);
  for (let n = 0; n <= MAX_EARLY; n++) tell("notifications/prompts/list_changed");
  assert.equal(released, 1);
  assert.equal(await stream.acknowledge({}).text(), "");
});

Deno.test("a stream whose client has gone before it began ends", async () => {
  const gone = new AbortController();
  gone.abort();
  const stream = new ListenStream(1, gone.signal);
  let released = 0;
  await stream.add({ link: talking().link, release: () => void released++ }, {}, (_method, params) => params);
  assert.equal(released, 1);
  assert.equal(await stream.acknowledge({}).text(), "");
});
