import assert from "node:assert/strict";
import { EventSplitter } from "../event_stream.ts";
import { AnswerStream, type AnswerText } from "./answer_stream.ts";

const eventsOf = async (response: Response) => new EventSplitter(10_000).push(await response.text());

Deno.test("an answer of several lines is one event after others", async () => {
  const stream = new AnswerStream(() => {}, 1_000);
  const answering = Promise.withResolvers<AnswerText>();
  const responding = stream.respond(answering.promise);
  stream.send({ method: "notifications/progress", params: {} });
  const text = '{"jsonrpc":"2.0",\n"id":1,\r\n\n"result":{\r"a":1}}';
  answering.resolve({ text, status: 200 });
  const events = await eventsOf(await responding);
  assert.equal(events.length, 2);
  assert.deepEqual(JSON.parse(events[1]?.data ?? ""), JSON.parse(text));
});

Deno.test("an upstream cannot fill the memory with what comes before its answer", async () => {
  let hasGone = false;
  const stream = new AnswerStream(() => hasGone = true, 1_000);
  const responding = stream.respond(new Promise<never>(() => {}));
  for (let n = 0; n < 20; n++) {
    stream.send({ method: "notifications/message", params: { n: "x".repeat(100) } });
  }
  await assert.rejects((await responding).text(), { code: "response_too_large" });
  assert.equal(hasGone, true);
});

Deno.test("what comes after a failed answer begins no stream", async () => {
  const stream = new AnswerStream(() => {}, 1_000);
  await assert.rejects(stream.respond(Promise.reject(new RangeError("no"))), RangeError);
  stream.send({ method: "notifications/message", params: {} }); // its timer would outlive this test
});
