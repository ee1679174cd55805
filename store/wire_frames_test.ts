import assert from "node:assert/strict";
import { ClientFrames, concat, readAnswer, simpleQuery, sync } from "./wire_frames.ts";

function int(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}

function message(type: string, body: string): Uint8Array {
  const bytes = new TextEncoder().encode(body);
  return concat([new TextEncoder().encode(type), int(4 + bytes.length), bytes]);
}

const startup = concat([int(12), int(196608), new Uint8Array([0, 0, 0, 0])]);

Deno.test("ClientFrames gives the startup packet, then whole messages, however the bytes arrive", () => {
  const stream = concat([startup, simpleQuery("SELECT 1"), sync()]);
  const frames = new ClientFrames();
  const taken: Uint8Array[] = [];
  for (const byte of stream) {
    frames.push(new Uint8Array([byte]));
    const frame = frames.take();
    if (frame === undefined) continue;
    assert.ok(frame.kind === "startup" || frame.kind === "messages");
    taken.push(frame.bytes);
  }
  assert.deepEqual(taken, [startup, simpleQuery("SELECT 1"), sync()]);
});

Deno.test("ClientFrames joins complete messages and keeps the incomplete one", () => {
  const frames = new ClientFrames();
  frames.push(startup);
  assert.equal(frames.take()?.kind, "startup");
  frames.push(concat([sync(), sync(), simpleQuery("SELECT 1").slice(0, 7)]));
  assert.deepEqual(frames.take(), { kind: "messages", bytes: concat([sync(), sync()]) });
  assert.equal(frames.take(), undefined);
  frames.push(simpleQuery("SELECT 1").slice(7));
  assert.deepEqual(frames.take(), { kind: "messages", bytes: simpleQuery("SELECT 1") });
});

Deno.test("ClientFrames knows requests for encryption and cancellation", () => {
  const frames = new ClientFrames();
  frames.push(concat([int(8), int(80877103), startup]));
  assert.deepEqual(frames.take(), { kind: "encryption" });
  assert.equal(frames.take()?.kind, "startup");
  const cancel = new ClientFrames();
  cancel.push(concat([int(16), int(80877102), int(1), int(2)]));
  assert.deepEqual(cancel.take(), { kind: "cancel" });
});

Deno.test("ClientFrames refuses impossible lengths", () => {
  for (const length of [-1, 0, 3, 2 ** 30]) {
    const frames = new ClientFrames();
    frames.push(concat([int(length), int(196608)]));
    assert.throws(() => frames.take(), RangeError);
  }
});

Deno.test("readAnswer() separates notifications and reads the final state", () => {
  const row = message("D", "x");
  const notice = message("A", "channel");
  const answer = readAnswer(concat([row, notice, message("C", "SELECT 1"), message("Z", "I")]));
  assert.deepEqual(answer.notifications, notice);
  assert.deepEqual(answer.reply, concat([row, message("C", "SELECT 1"), message("Z", "I")]));
  assert.equal(answer.ready, "idle");
  assert.equal(readAnswer(message("Z", "T")).ready, "transaction");
  assert.equal(readAnswer(message("Z", "E")).ready, "transaction");
  assert.equal(readAnswer(concat([message("Z", "I"), notice])).ready, "idle");
  assert.equal(readAnswer(concat([message("Z", "I"), message("1", "")])).ready, undefined);
  assert.equal(readAnswer(new Uint8Array(0)).ready, undefined);
});
