import assert from "node:assert/strict";
import postgres from "postgres";
import { isStrayRejection } from "./stray_rejection.ts";

/** AuthenticationOk and ReadyForQuery of the PostgreSQL protocol 3.0, §55.7. */
const WELCOME = new Uint8Array([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

/** A server that lets everybody in and hangs up at the first question. */
function startHangUp() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      void (async () => {
        const buffer = new Uint8Array(4_096);
        await connection.read(buffer);
        await connection.write(WELCOME);
        await connection.read(buffer);
        connection.close();
      })().catch(() => {});
    }
  })();
  return {
    port: listener.addr.port,
    close: async () => {
      listener.close();
      await serving;
    },
  };
}

Deno.test("isStrayRejection() knows the driver's own question of a connection that broke, and nothing else", async () => {
  const strays: unknown[] = [];
  const onStray = (event: PromiseRejectionEvent) => {
    const isStray = isStrayRejection(event.reason);
    if (isStray) strays.push(event.reason);
    // The same question once more, on the connection that the end of this test destroys.
    if (isStray || event.reason?.code === "CONNECTION_DESTROYED") event.preventDefault();
  };
  globalThis.addEventListener("unhandledrejection", onStray);
  const server = startHangUp();
  const sql = postgres({ host: "127.0.0.1", port: server.port, user: "u", max: 1 });
  const query = sql`SELECT 1`;
  query.catch(() => {});
  for (let tries = 0; tries < 500 && strays.length === 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await sql.end({ timeout: 0 });
  await server.close();
  await new Promise((resolve) => setTimeout(resolve, 20)); // until what is left behind was heard
  globalThis.removeEventListener("unhandledrejection", onStray);
  assert.ok(strays.length > 0, "the driver no longer lets this question go: this file can go too");
  const other = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  assert.equal(isStrayRejection(other), false);
  assert.equal(isStrayRejection(Object.assign(other, { query: "SELECT 1" })), false);
  assert.equal(isStrayRejection(new TypeError("from pg_catalog.pg_type a")), false);
  assert.equal(isStrayRejection("from pg_catalog.pg_type a"), false);
});
