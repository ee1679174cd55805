import assert from "node:assert/strict";
import { EventSplitter } from "../event_stream.ts";
import { AnswerStream, type AnswerText } from "./answer_stream.ts";
import { KeptStreams } from "./kept_streams.ts";

const eventsOf = async (response: Response) => new EventSplitter(10_000).push(await response.text());

Deno.test("an answer of several lines is one event after others", async () => {
  const stream = new AnswerStream({ onGone: () => {}, maxLength: 1_000 });
  const answering = Promise.withResolvers<AnswerText>();
  const responding = stream.respond(1, answering.promise);
  stream.send({ method: "notifications/progress", params: {} });
  const text = '{"jsonrpc":"2.0",\n"id":1,\r\n\n"result":{\r"a":1}}';
  answering.resolve({ text, status: 200 });
  const events = await eventsOf(await responding);
  assert.equal(events.length, 2);
  assert.deepEqual(JSON.parse(events[1]?.data ?? ""), JSON.parse(text));
});

Deno.test("an upstream cannot fill the memory with what comes before its answer", async () => {
  let hasGone = false;
  const stream = new AnswerStream({ onGone: () => hasGone = true, maxLength: 1_000 });
  const responding = stream.respond(1, new Promise<never>(() => {}));
  for (let n = 0; n < 20; n++) {
    stream.send({ method: "notifications/message", params: { n: "x".repeat(100) } });
  }
  await assert.rejects((await responding).text(), { code: "response_too_large" });
  assert.equal(hasGone, true);
});

Deno.test("what comes after a failed answer begins no stream", async () => {
  const stream = new AnswerStream({ onGone: () => {}, maxLength: 1_000 });
  await assert.rejects(stream.respond(1, Promise.reject(new RangeError("no"))), RangeError);
  stream.send({ method: "notifications/message", params: {} }); // its timer would outlive this test
});

Deno.test("an answer that takes long becomes a stream whose client can come back for it, or for its loss", async () => {
  const kept = new KeptStreams({ newId: () => "s", steadyMs: () => 0 });
  for (const isLost of [false, true]) {
    const stream = kept.open({ tenant: "acme", upstream: "fs", maxKept: 10_000, onForgotten: () => {} });
    const answers = new AnswerStream({
      ...{ onGone: () => {}, maxLength: 1_000 },
      ...{ keep: () => stream, primeAfterMs: 5 },
    });
    const answering = Promise.withResolvers<AnswerText>();
    const response = await answers.respond(7, answering.promise);
    const reader = response.body!.getReader();
    assert.equal(new TextDecoder().decode((await reader.read()).value), "id: fs.s.0\ndata: \n\n");
    await reader.cancel();
    if (isLost) answering.reject(new Error("process_exited"));
    else answering.resolve({ text: "done", status: 200 });
    await answering.promise.catch(() => {});
    const [event] = await eventsOf(stream.resume(0, new AbortController().signal) ?? assert.fail());
    if (isLost) {
      assert.deepEqual([JSON.parse(event?.data ?? "").id, JSON.parse(event?.data ?? "").error.code], [
        7,
        -32603,
      ]);
    } else assert.equal(event?.data, "done");
    kept.forget(stream);
  }
});
