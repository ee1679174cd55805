import assert from "node:assert/strict";
import { createConnectionGuard } from "./connection_guard.ts";
import { type AcceptedSocket, openSocketTable, type SocketTable } from "./socket_table.ts";

const LIMITS = {
  ...{ maxConnections: 100, maxPerAddress: 100 },
  ...{ headerTimeoutMs: 10_000, silentTimeoutMs: 75_000, streamTimeoutMs: 960_000 },
};

function guarded(limits = LIMITS) {
  const state = { nowMs: 0 };
  const open: AcceptedSocket[] = [];
  const closed: string[] = [];
  const sockets: SocketTable = {
    accepted: () => [...open],
    shutdown: ({ port }) => void open.splice(open.findIndex((one) => one.port === port), 1),
  };
  const guard = createConnectionGuard({
    ...{ sockets, limits, steadyMs: () => state.nowMs },
    onClosed: (reason, count) => void closed.push(`${reason} ${count}`),
  });
  const connect = (port: number, address = "192.0.2.1") =>
    void open.push({ descriptor: port, address, port });
  const passSeconds = (seconds: number) => {
    state.nowMs += seconds * 1_000;
    guard.sweep();
  };
  const ports = () => open.map(({ port }) => port);
  guard.sweep();
  return { guard, connect, passSeconds, ports, closed };
}

Deno.test("sweep() ends a connection whose first request does not come in time, and no other", () => {
  const { guard, connect, passSeconds, ports, closed } = guarded();
  connect(1);
  connect(2);
  passSeconds(1);
  guard.begin("192.0.2.1", 2)(new Response());
  passSeconds(11);
  assert.deepEqual(ports(), [2]);
  assert.deepEqual(closed, ["slow_headers 1"]);
  assert.equal(guard.open(), 1);
});

Deno.test("sweep() ends a connection whose client does not read its answer, though its stream is young", () => {
  const { guard, connect, passSeconds, ports, closed } = guarded();
  for (const port of [1, 2, 3]) {
    connect(port);
    guard.begin("192.0.2.1", port)(new Response("", { headers: { "content-type": "text/event-stream" } }));
  }
  passSeconds(1);
  guard.giveUp("192.0.2.1", 1, "unread");
  guard.giveUp("192.0.2.1", 3, "unread_full");
  guard.giveUp("192.0.2.1", 4, "unread");
  passSeconds(1);
  assert.deepEqual(ports(), [2]);
  assert.deepEqual(closed, ["unread 1", "unread_full 1"]);
  passSeconds(1);
  connect(1);
  passSeconds(1);
  assert.deepEqual(ports(), [2, 1]);
});

Deno.test("sweep() ends a silent connection, never one with a request under way or a young stream", () => {
  const { guard, connect, passSeconds, ports, closed } = guarded();
  for (const port of [1, 2, 3]) connect(port);
  guard.begin("192.0.2.1", 1)(new Response());
  const end = guard.begin("192.0.2.1", 2);
  guard.begin("192.0.2.1", 3)(new Response("", { headers: { "content-type": "text/event-stream" } }));
  passSeconds(80);
  assert.deepEqual(ports(), [2, 3]);
  passSeconds(10_000);
  assert.deepEqual(ports(), [2]);
  end(undefined);
  passSeconds(80);
  assert.deepEqual(ports(), []);
  assert.deepEqual(closed, ["silent 1", "silent 1", "silent 1"]);
});

Deno.test("sweep() keeps to the number of connections: unused ones go first, then the longest silent", () => {
  const { guard, connect, passSeconds, ports, closed } = guarded({ ...LIMITS, maxConnections: 3 });
  for (const port of [1, 2, 3, 4, 5]) connect(port);
  guard.begin("192.0.2.1", 1);
  passSeconds(1);
  assert.equal(ports().length, 3);
  assert.ok(ports().includes(1), "a request is under way");
  assert.deepEqual(closed, ["too_many 2"]);
  for (const port of ports()) if (port !== 1) guard.begin("192.0.2.1", port)(new Response());
  connect(6);
  passSeconds(1);
  assert.ok(!ports().includes(6));
});

Deno.test("sweep() holds one address to its number when that is configured, and others are untouched", () => {
  const { connect, passSeconds, ports } = guarded({ ...LIMITS, maxPerAddress: 2 });
  for (const port of [1, 2, 3, 4]) connect(port, "198.51.100.1");
  for (const port of [5, 6]) connect(port, "198.51.100.2");
  passSeconds(1);
  assert.equal(ports().length, 4);
  assert.ok(ports().includes(5) && ports().includes(6));
});

Deno.test({
  name:
    "openSocketTable() finds the connections of a listener, IPv4 and IPv6, and ends the one it is told to",
  ignore: Deno.build.os !== "linux",
  sanitizeResources: false, // the library stays open as long as the process
  fn: async () => {
    const table = openSocketTable();
    assert.ok(table !== undefined);
    for (const hostname of ["127.0.0.1", "::1"]) {
      const seen: string[] = [];
      const server = Deno.serve({ hostname, port: 0, onListen: () => {} }, (_, { remoteAddr }) => {
        seen.push(`${remoteAddr.hostname}|${remoteAddr.port}`);
        return new Response("ok");
      });
      const client = await Deno.connect({ hostname, port: server.addr.port });
      await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
      const buffer = new Uint8Array(1_024);
      await client.read(buffer);
      const found = table.accepted(new Set([server.addr.port]));
      assert.deepEqual(found.map(({ address, port }) => `${address}|${port}`), seen);
      assert.deepEqual(table.accepted(new Set([1])), []);
      for (const socket of found) table.shutdown(socket);
      assert.equal(await client.read(buffer), null, "the other side sees the end");
      client.close();
      await server.shutdown();
    }
  },
});
