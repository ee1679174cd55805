import assert from "node:assert/strict";
import { adminApi } from "./app_fixture.ts";

/** Reads a stream until it holds what is wanted, or ends. */
async function readUntil(
  response: Response,
  isEnough: (text: string) => boolean = () => false,
): Promise<string> {
  const reader = (response.body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!isEnough(text)) {
    const { value, done } = await reader.read();
    if (done) return text;
    text += value;
  }
  await reader.cancel();
  return text;
}

const has = (...parts: readonly string[]) => (text: string) => parts.every((part) => text.includes(part));
const idsOf = (text: string) => [...text.matchAll(/^id: (\d+)\ndata/gm)].map(([, id]) => Number(id));

Deno.test("GET /audit/stream sends the canonical events as they stand, and those that come later", async () => {
  const { send, recorded } = await adminApi();
  const before = recorded.length;
  const response = await send("/audit/stream?tenant=acme&after=3");
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.equal(response.headers.get("cache-control"), "no-store");
  setTimeout(() => recorded.push('{"message":"a\\nb\\r\\u2028","n":1}'), 20);
  const text = await readUntil(response, has(`id: ${before + 1}\ndata`));
  assert.match(text, /^retry: \d+\nid: 3\n\n/, "where it begins, before anything comes");
  assert.deepEqual(idsOf(text), recorded.map((_, at) => at + 1).slice(3));
  const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => line);
  assert.deepEqual(data, recorded.slice(3));
});

Deno.test("a reader goes on after Last-Event-ID, which counts more than its first question", async () => {
  const { send, recorded } = await adminApi();
  const last = recorded.length;
  const go = (id: string, query = "") =>
    send(`/audit/stream?tenant=acme${query}`, { headers: { "last-event-id": id } });
  assert.deepEqual(idsOf(await readUntil(await go(`${last - 2}`, "&after=0"), has(`id: ${last}\ndata`))), [
    last - 1,
    last,
  ]);
  for (const bad of ["", "x", "-1", "01", "1.5", "9".repeat(20)]) {
    assert.equal((await go(bad)).status, 400, bad);
  }
  assert.equal((await go(`${last + 1}`)).status, 422, "a chain that has lost its end is noticed");
  const quiet = await readUntil(await send("/audit/stream?tenant=acme"), has(`: nothing new\nid: ${last}`));
  assert.deepEqual(idsOf(quiet), [], "without a place it begins with what comes");
  assert.match(quiet, /^: nothing new\nid: \d+$/m, "a sign of life says how far it has looked");
});

Deno.test("a stream with a filter holds what fits, and its reader never looks at the rest again", async () => {
  const { send, recorded } = await adminApi();
  const fitting = recorded.flatMap((text, at) =>
    JSON.parse(text).unmapped.decision === "allow" ? [at + 1] : []
  );
  assert.ok(fitting.length > 0 && fitting.length < recorded.length);
  const response = await send("/audit/stream?tenant=acme&after=0&decision=allow");
  const text = await readUntil(response, has(`: nothing new\nid: ${recorded.length}`));
  assert.deepEqual(idsOf(text), fitting);
});

Deno.test("a stream ends when its operator is deleted, and when the process stops", async () => {
  const { send, operator, streams, clock } = await adminApi();
  const token = await operator("eve", "auditor", ["acme"]);
  const deleted = readUntil(await send("/audit/stream?tenant=acme", { token }));
  const stopped = readUntil(await send("/audit/stream?tenant=acme"));
  assert.equal(streams.open(), 2);
  assert.equal((await send("/operators/eve", { method: "DELETE" })).status, 200);
  clock.ms = 16_000;
  await deleted;
  assert.equal(streams.open(), 1);
  streams.close();
  await stopped;
  assert.equal(streams.open(), 0);
});

Deno.test("a reader that goes makes room, and asking for the head takes none", async () => {
  const { app, send, operator, streams } = await adminApi();
  const token = await operator("eve", "auditor", ["acme"]);
  const path = "/audit/stream?tenant=acme";
  for (let n = 0; n < 5; n++) {
    const head = await app.request(path, { method: "HEAD", headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
  }
  const open = [];
  for (let n = 0; n < 4; n++) open.push(await send(path, { token }));
  assert.equal((await send(path, { token })).status, 429);
  await open.pop()?.body?.cancel();
  assert.equal(streams.open(), 3);
  open.push(await send(path, { token }));
  for (const response of open) await response.body?.cancel();
  assert.equal(streams.open(), 0);
});
