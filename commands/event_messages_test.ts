import assert from "node:assert/strict";
import { type EventMessage, eventMessages } from "./event_messages.ts";

async function read(...chunks: readonly string[]): Promise<EventMessage[]> {
  const bytes = chunks.map((chunk) => new TextEncoder().encode(chunk));
  const found = [];
  for await (const message of eventMessages(ReadableStream.from(bytes))) found.push(message);
  return found;
}

Deno.test("eventMessages() reads what a stream of the gateway holds, however it is cut", async () => {
  const text =
    'retry: 2000\n\nid: 7\ndata: {"a":"b: c"}\n\n: nothing new\nid: 9\n\nid: 10\nevent: pruned\ndata: 00\n\nid: 11\nda';
  const expected = [
    { id: undefined, event: "message", data: "", retryMs: 2_000 },
    { id: "7", event: "message", data: '{"a":"b: c"}' },
    { id: "9", event: "message", data: "" },
    { id: "10", event: "pruned", data: "00" },
  ];
  assert.deepEqual(await read(text), expected);
  assert.deepEqual(await read(...text), expected, "one character at a time");
});

Deno.test("eventMessages() refuses a message without an end", async () => {
  await assert.rejects(read("data: " + "x".repeat(300_000)), /Expected shorter messages/);
});
