import assert from "node:assert/strict";
import { once } from "node:events";
import { createTcpSockets } from "./tcp_socket.ts";

Deno.test("open() reports a refused connection as an event", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const socket = createTcpSockets().open({ host: ["127.0.0.1"], port: [port] });
  const [error] = await once(socket, "error");
  assert.equal(error.code, "ECONNREFUSED");
});

Deno.test("open() takes the hosts in turn", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const sockets = createTcpSockets();
  const target = { host: ["127.0.0.1", "127.0.0.1"], port: [1, port] };
  const first = sockets.open(target);
  await once(first, "error");
  const second = sockets.open(target);
  const accepted = await listener.accept();
  second.destroy();
  accepted.close();
  listener.close();
  await once(second, "close");
});

Deno.test("closeSilent() destroys only sockets that owe an answer for too long", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const sockets = createTcpSockets();
  const socket = sockets.open({ host: ["127.0.0.1"], port: [port] });
  const server = await listener.accept();
  assert.equal(sockets.closeSilent(0), 0, "nothing was asked");
  const answered = once(socket, "data");
  socket.write("question");
  await server.write(new TextEncoder().encode("answer"));
  await answered;
  const now = Date.now();
  assert.equal(sockets.closeSilent(1_000, now), 0, "it was answered");
  await new Promise((resolve) => socket.write("question", resolve));
  assert.equal(sockets.closeSilent(1_000, now + 5_000), 0, "it is noted now");
  assert.equal(sockets.closeSilent(1_000, now + 5_900), 0, "it may still be answered");
  const closed = once(socket, "close");
  assert.equal(sockets.closeSilent(1_000, now + 6_000), 1);
  await closed;
  assert.equal(sockets.closeSilent(0, now + 60_000), 0, "it is forgotten");
  server.close();
  listener.close();
});
