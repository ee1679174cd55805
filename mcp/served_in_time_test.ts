import assert from "node:assert/strict";
import { servedInTime } from "./served_in_time.ts";

Deno.test("servedInTime() does not wait for a link that is still being opened, and drops its late answer", async () => {
  const serving = Promise.withResolvers<Response>();
  const dropped = Promise.withResolvers<void>();
  const abort = new AbortController();
  const served = servedInTime(serving.promise, abort.signal);
  abort.abort(new Error("its time is over"));
  await assert.rejects(served, /its time is over/);
  serving.resolve(new Response(new ReadableStream({ cancel: () => dropped.resolve() })));
  await dropped.promise;
  await assert.rejects(servedInTime(Promise.reject(new Error("refused")), abort.signal), /its time is over/);
});

Deno.test("servedInTime() is what serving comes to when that is in time, and leaves nothing at the signal", async () => {
  const { signal } = new AbortController();
  const response = new Response("x");
  assert.equal(await servedInTime(Promise.resolve(response), signal), response);
  await assert.rejects(servedInTime(Promise.reject(new Error("refused")), signal), /refused/);
  const abort = new AbortController();
  await servedInTime(Promise.resolve(response), abort.signal);
  abort.abort();
  assert.equal(await response.text(), "x", "an answer that was given is not taken back");
});
