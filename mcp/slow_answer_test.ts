import assert from "node:assert/strict";
import { EventWriter } from "./event_stream.ts";
import type { Forwarded, ForwardEnding } from "./port.ts";
import { jsonText } from "./refusals.ts";
import { streamResponse } from "./relay.ts";
import { streamedWhenSlow } from "./slow_answer.ts";
import type { UnreadRoom } from "./unread_answers.ts";

const ending: Promise<ForwardEnding> = Promise.resolve({ kind: "ok", upstreamMs: 1 });
const room: UnreadRoom = { holdUnread: () => ({ hold: () => {} }) };
const later = <T>(value: T, ms = 20) => new Promise<T>((resolve) => setTimeout(() => resolve(value), ms));

Deno.test("an answer in time is passed on as it is", async () => {
  const forwarded: Forwarded = { response: jsonText("{}", 404), ending };
  assert.equal(await streamedWhenSlow(Promise.resolve(forwarded), 1_000, room), forwarded);
});

Deno.test("an answer that is late comes in a stream that has begun", async () => {
  const slow = await streamedWhenSlow(later({ response: jsonText('{\n"a":1}'), ending }), 5, room);
  assert.equal(slow.response.headers.get("content-type"), "text/event-stream");
  assert.equal(await slow.response.text(), ':\n\ndata: {\ndata: "a":1}\n\n');
  assert.deepEqual(await slow.ending, await ending);
});

Deno.test("a stream that is late goes on in the one that has begun, event by event", async () => {
  const inner = new EventWriter(() => {});
  inner.write("id: 1\ndata: a\n\n");
  const slow = await streamedWhenSlow(later({ response: streamResponse(inner), ending }), 5, room);
  const reader = slow.response.body!.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, ":\n\n");
  assert.equal((await reader.read()).value, "id: 1\ndata: a\n\n");
  inner.write("data: ä\n\n");
  assert.equal((await reader.read()).value, "data: ä\n\n");
  inner.close();
  assert.equal((await reader.read()).done, true);
});

Deno.test("who leaves a late answer leaves the stream behind it, before it has begun or after", async () => {
  for (const leavesFirst of [true, false]) {
    const left = Promise.withResolvers<void>();
    const inner = new EventWriter(() => left.resolve());
    const slow = await streamedWhenSlow(later({ response: streamResponse(inner), ending }), 5, room);
    if (!leavesFirst) await later(undefined, 40);
    await slow.response.body?.cancel();
    await left.promise;
  }
});
