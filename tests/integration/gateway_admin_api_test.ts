/** The admin API of a running gateway, on both databases: real answers are as documented, and repeated writes are one. */
import assert from "node:assert/strict";
import { documented } from "../../admin/documented_fixture.ts";
import type { JsonObject } from "../../core/json.ts";
import { openDatabase } from "../../store/database.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, start } from "./gateways.ts";

const { test } = createDatabaseTests();

interface Asked {
  readonly body?: JsonObject;
  readonly key?: string;
  /** Absent: the start-up token. */
  readonly token?: string;
}

/** A client as root that holds every answer against the document which the gateway itself serves. */
async function client(gateway: GatewayProcess) {
  const document = await (await gateway.api("GET", "/api/v1/openapi.json")).json();
  const answers = documented(document);
  const root = await gateway.operatorToken();
  const ask = async (method: string, path: string, { body, key, token = root }: Asked = {}) => {
    const response = await fetch(`${gateway.adminUrl}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(key === undefined ? {} : { "idempotency-key": `"${key}"` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const { status, headers } = response;
    const copy = new Response(text, { status, headers });
    await answers.check({ method, path: path.split("?")[0] ?? path, response: copy });
    const replayed = headers.get("idempotency-replayed") === "true";
    const isJson = headers.get("content-type")?.includes("json");
    return { status, replayed, text, body: isJson ? JSON.parse(text) : undefined };
  };
  return { ask, answers };
}

test("every route of a running gateway answers as its own document says", async (fixture) => {
  await using gateway = await start(fixture);
  const { ask, answers } = await client(gateway);
  const good: [string, string, JsonObject?][] = [
    ["POST", "/tenants", { name: "globex", settings: { description: "Globex" } }],
    ["GET", "/tenants"],
    ["GET", "/tenants/globex"],
    ["PATCH", "/tenants/default", { version: 1, settings: { description: "first" } }],
    ["POST", "/operators", { id: "alice", role: "viewer", tenants: ["globex"], ttl_seconds: 600 }],
    ["DELETE", "/operators/alice"],
    ["GET", "/operators"],
    ["POST", "/kill-switches", { scope: "agent", tenant: "globex", value: "bot", reason: "x" }],
    ["GET", "/kill-switches"],
    ["POST", "/kill-switches/1/release", { reason: "x" }],
    ["POST", "/tokens", { tenant: "globex", agent: "bot", ttl_seconds: 60, max_calls: 3 }],
    ["GET", "/tokens?tenant=globex&agent=bot"],
    ["POST", "/revocations", { tenant: "globex", block_id: "A".repeat(43), reason: "x" }],
    ["GET", "/revocations?tenant=globex"],
    ["GET", "/audit/events?tenant=globex"],
    ["GET", "/audit/verify?tenant=globex"],
    ["GET", "/audit/log/globex"],
    ["GET", "/audit/log/globex/checkpoint"],
    ["GET", "/audit/log/globex/tile/entries/000.p%2F1"],
    ["GET", "/audit/log/globex/tile/0/000.p%2F1"],
    ["GET", "/audit/proof?tenant=globex&seq=1"],
    ["GET", "/audit/consistency?tenant=globex&from=1&to=1"],
    ["GET", "/audit/export?tenant=globex"],
    ["GET", "/audit/events.csv?tenant=globex"],
    ["GET", "/audit/values?tenant=globex&seq=1"],
    ["GET", "/audit/search?tenant=globex"],
    ["GET", "/audit/places?tenant=globex"],
    ["GET", "/upstreams"],
    ["GET", "/self"],
    ["GET", "/openapi.json"],
  ];
  for (const [method, path, body] of good) {
    const answer = await ask(method, path, body === undefined ? {} : { body });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
  }
  const named = async (id: string) => {
    const body = { id, role: "admin", tenants: ["globex"], ttl_seconds: 600 };
    return String((await ask("POST", "/operators", { body })).body.token);
  };
  const [asks, confirms] = [await named("carol"), await named("dave")];
  const body = { tenant: "globex", agent: "bot" };
  const { id } = (await ask("POST", "/audit/erasures", { token: asks, body })).body;
  assert.equal((await ask("GET", "/audit/actions")).body.actions[0].id, id);
  assert.equal((await ask("POST", `/audit/actions/${id}/confirm`, { token: confirms })).status, 200);
  // Tools need another configuration, streams do not end, and what may be pruned is days old: each has tests of its own.
  const elsewhere = / \/tools| \/audit\/stream | \/audit\/prunes /;
  const missing = answers.all.filter((name) => /20[01]$/.test(name) && !elsewhere.test(name))
    .filter((name) => !answers.seen.has(name));
  assert.deepEqual(missing, []);
});

test("lists of tokens and revocations are walked page by page, each row once, in one order", async (fixture) => {
  await using gateway = await start(fixture);
  const { ask } = await client(gateway);
  const minted: string[] = [];
  for (let n = 0; n < 7; n++) {
    const agent = n % 2 === 0 ? "even" : "odd";
    const { body } = await ask("POST", "/tokens", { body: { tenant: "default", agent, ttl_seconds: 60 } });
    minted.push(body.jti);
  }
  const revoked = minted[3] ?? "";
  await ask("POST", "/revocations", { body: { tenant: "default", jti: revoked, reason: "x" } });
  await ask("POST", "/revocations", { body: { tenant: "default", block_id: "B".repeat(43), reason: "y" } });
  const walk = async (path: string, rows: string) => {
    const found: JsonObject[] = [];
    for (let after = "";;) {
      const { body } = await ask("GET", `${path}&limit=2${after}`);
      found.push(...body[rows]);
      if (body.next_after === null) return found;
      after = `&after=${encodeURIComponent(body.next_after)}`;
    }
  };
  const tokens = await walk("/tokens?tenant=default", "tokens");
  assert.deepEqual(tokens.map(({ jti }) => jti).toSorted(), minted.toSorted());
  const places = tokens.map(({ issued_at: at, jti }) => `${at} ${jti}`);
  assert.deepEqual(places, places.toSorted());
  assert.deepEqual(tokens.filter((row) => row.revoked).map(({ jti }) => jti), [revoked]);
  const odd = await walk("/tokens?tenant=default&agent=odd", "tokens");
  assert.deepEqual(odd.map(({ agent }) => agent), ["odd", "odd", "odd"]);
  const revocations = await walk("/revocations?tenant=default", "revocations");
  assert.deepEqual(revocations.map(({ number, reason }) => [number, reason]), [[1, "x"], [2, "y"]]);
  assert.equal(revocations[0]?.block_id, tokens.find(({ jti }) => jti === revoked)?.block_id);
});

test("a write with a key is made once, also across kill -9, and its token is nowhere in clear", async (fixture) => {
  const folder = await Deno.makeTempDir({ prefix: "intentgate_idempotency_" });
  try {
    const first = await start(fixture, { dataDir: folder });
    const mint = { body: { tenant: "default", agent: "a", ttl_seconds: 600 }, key: "mint" };
    const made = await (await client(first)).ask("POST", "/tokens", mint);
    assert.deepEqual([made.status, made.replayed], [201, false]);
    const operator = { id: "alice", role: "admin", tenants: "*", ttl_seconds: 600 };
    const alice = await (await client(first)).ask("POST", "/operators", { body: operator, key: "alice" });
    await first.kill();
    await using second = await start(fixture, { dataDir: folder });
    const { ask } = await client(second);
    const again = await ask("POST", "/tokens", mint);
    assert.deepEqual([again.status, again.replayed, again.text], [201, true, made.text]);
    const aliceAgain = await ask("POST", "/operators", { body: operator, key: "alice" });
    assert.deepEqual([aliceAgain.replayed, aliceAgain.text], [true, alice.text]);
    const other = await ask("POST", "/tokens", { ...mint, body: { ...mint.body, agent: "b" } });
    assert.equal(other.status, 422);

    const many = await Promise.all(
      Array.from({ length: 12 }, () => ask("POST", "/tenants", { body: { name: "raced" }, key: "race" })),
    );
    const fresh = many.filter(({ status, replayed }) => status === 201 && !replayed);
    assert.equal(fresh.length, 1);
    assert.ok(many.every(({ status }) => status === 201 || status === 409), JSON.stringify(many));

    const codes = (await events(second, "default")).map((event) => event.metadata.event_code);
    assert.equal(codes.filter((code) => code === "token.minted").length, 1);
    assert.equal((await events(second, "raced")).length, 1);
    await second.stop();
    const database = await (fixture.kind === "postgres" ? fixture.owner() : openFolder(folder));
    try {
      const rows = await database.sql<{ row: string }[]>`SELECT k::text AS row FROM idempotency_keys k`;
      const stored = rows.map(({ row }) => row).join("\n");
      assert.equal(rows.length, 3);
      for (const secret of [made.body.token, alice.body.token]) assert.equal(stored.includes(secret), false);
      assert.match(stored, /igi1\.k1\./);
    } finally {
      await database.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function openFolder(dataDir: string) {
  return openDatabase({ dataDir, timeoutMs: 10_000 });
}
