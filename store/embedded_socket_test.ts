import assert from "node:assert/strict";
import { once } from "node:events";
import { EmbeddedSocket } from "./embedded_socket.ts";

Deno.test("EmbeddedSocket hands bytes both ways and closes once", async () => {
  const written: number[] = [];
  let closes = 0;
  const socket = new EmbeddedSocket((bytes) => void written.push(...bytes), () => void closes++);
  assert.equal(socket.readyState, "open");
  const data = once(socket, "data");
  socket.receive(new Uint8Array([1, 2]));
  assert.deepEqual([...(await data)[0]], [1, 2]);
  socket.write(new Uint8Array([3]));
  const closed = once(socket, "close");
  socket.end(new Uint8Array([4]));
  await closed;
  assert.deepEqual(written, [3, 4]);
  assert.equal(closes, 1);
  assert.equal(socket.readyState, "closed");
  socket.receive(new Uint8Array([5])); // late answers are dropped
});
