import assert from "node:assert/strict";
import { concat, simpleQuery } from "./wire_frames.ts";
import { WireSession } from "./wire_session.ts";

const startup = new Uint8Array([0, 0, 0, 9, 0, 3, 0, 0, 0]);

function ready(state: string): Uint8Array {
  return new Uint8Array([0x5a, 0, 0, 0, 5, state.charCodeAt(0)]);
}

/** A database whose answers follow the text of the query; it writes down the order of what it was asked. */
function createFakeSession(idleTransactionMs = 10_000) {
  const asked: string[] = [];
  const sent: string[] = [];
  const closed: number[] = [];
  const execute = (bytes: Uint8Array): Promise<Uint8Array> => {
    const text = new TextDecoder().decode(bytes).replaceAll(/[^\x20-\x7e]/g, "");
    asked.push(text);
    if (text.includes("fail")) return Promise.reject(new Error("broken"));
    if (text.includes("notify")) {
      return Promise.resolve(concat([new Uint8Array([0x41, 0, 0, 0, 4]), ready("I")]));
    }
    return Promise.resolve(ready(text.includes("BEGIN") ? "T" : "I"));
  };
  const session = new WireSession({
    execute,
    send: (connection, bytes) => void sent.push(`${connection}:${String.fromCharCode(bytes[0] ?? 0)}`),
    onClosed: (connection) => void closed.push(connection),
    idleTransactionMs,
  });
  const ask = (connection: number, text: string) => session.receive(connection, simpleQuery(text));
  const connect = (connection: number) => {
    session.open(connection);
    session.receive(connection, startup);
  };
  return { session, asked, sent, closed, ask, connect };
}

function settle(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("WireSession lets a transaction finish before anyone else is served", async () => {
  const { asked, ask, connect, session } = createFakeSession();
  connect(1);
  connect(2);
  await settle();
  asked.length = 0;
  ask(1, "BEGIN");
  ask(2, "other");
  await settle();
  ask(1, "COMMIT");
  await settle();
  assert.deepEqual(asked.map((text) => text.replace("Q", "")), ["BEGIN", "COMMIT", "other"]);
  session.close(1);
  session.close(2);
});

Deno.test("WireSession rolls back when the owner leaves", async () => {
  const { asked, ask, connect, session } = createFakeSession();
  connect(1);
  connect(2);
  await settle();
  ask(1, "BEGIN");
  await settle();
  asked.length = 0;
  ask(2, "other");
  session.close(1);
  await settle();
  assert.match(asked[0] ?? "", /ROLLBACK/);
  assert.match(asked[1] ?? "", /other/);
});

Deno.test("WireSession rolls back and closes an owner that falls silent", async () => {
  const { asked, ask, connect, closed } = createFakeSession(30);
  connect(1);
  connect(2);
  await settle();
  ask(1, "BEGIN");
  await settle();
  ask(2, "other");
  await settle(100);
  assert.deepEqual(closed, [1]);
  assert.match(asked.at(-2) ?? "", /ROLLBACK/);
  assert.match(asked.at(-1) ?? "", /other/);
});

Deno.test("WireSession sends notifications to every connection, the reply to one", async () => {
  const { sent, ask, connect } = createFakeSession();
  connect(1);
  connect(2);
  await settle();
  sent.length = 0;
  ask(2, "notify");
  await settle();
  assert.deepEqual(sent.sort(), ["1:A", "2:A", "2:Z"]);
});

Deno.test("WireSession closes the connection whose message the database could not take", async () => {
  const { asked, ask, connect, closed } = createFakeSession();
  connect(1);
  connect(2);
  ask(1, "fail");
  ask(2, "other");
  await settle();
  assert.deepEqual(closed, [1]);
  assert.match(asked.at(-1) ?? "", /other/);
  assert.ok(asked.some((text) => text.includes("ROLLBACK")));
});

Deno.test("WireSession closes a connection that breaks the protocol and answers a request for encryption", async () => {
  const { session, sent, closed, connect } = createFakeSession();
  session.open(1);
  session.receive(1, new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]));
  assert.deepEqual(sent, ["1:N"]);
  connect(2);
  session.receive(2, new Uint8Array([0x51, 255, 255, 255, 255]));
  await settle();
  assert.deepEqual(closed, [2]);
  session.receive(2, startup);
  session.close(2);
});
