import assert from "node:assert/strict";
import { inspectToken } from "../core/token/inspect.ts";
import { adminApi, ROOT_TOKEN } from "./app_fixture.ts";

Deno.test("every route refuses without the operator token", async () => {
  const { ask } = await adminApi();
  const headers = [
    "",
    "Bearer",
    "Bearer wrong_wrong_wrong_wrong",
    `Basic ${ROOT_TOKEN}`,
    `Bearer ${ROOT_TOKEN}x`,
  ];
  for (
    const path of [
      "/tokens",
      "/revocations",
      "/audit/events",
      "/audit/verify?tenant=acme",
      "/operators",
      "/nothing",
    ]
  ) {
    for (const authorization of headers) {
      const response = await ask(path, undefined, { authorization, "x-test-ip": path });
      assert.equal(response.status, 401, `${path} with "${authorization}"`);
      assert.equal(response.headers.get("content-type"), "application/problem+json");
    }
  }
});

Deno.test("POST /tokens mints with explicit upstreams and tools, and records who did", async () => {
  const { ask, entries, inserted } = await adminApi();
  const response = await ask("/tokens", { tenant: "acme", agent: "a", ttl_seconds: 60, max_calls: 3 });
  assert.equal(response.status, 201);
  const answer = await response.json();
  assert.deepEqual(Object.keys(answer), ["token", "jti", "block_id", "expires_at"]);
  const [block] = inspectToken(answer.token).blocks;
  assert.deepEqual(block?.content.upstreams, ["*"]);
  assert.deepEqual(block?.content.tools, ["*"]);
  assert.deepEqual([block?.content.max_calls, block?.content.aud], [3, "log-1"]);
  assert.equal(block?.id, answer.block_id);
  const event = JSON.parse(entries[0]?.canonical ?? "");
  assert.deepEqual([event.metadata.event_code, event.unmapped.operator.id], ["token.minted", "root"]);
  assert.equal(JSON.stringify([entries, inserted]).includes(answer.token), false);
});

Deno.test("POST /tokens refuses what it does not understand and says where", async () => {
  const { ask, entries } = await adminApi();
  const good = { tenant: "acme", agent: "a", ttl_seconds: 60 };
  const cases: [unknown, number, RegExp][] = [
    [{ ...good, tenant: "nothere" }, 404, /"nothere" does not exist/],
    [{ ...good, ttl_seconds: 86_401 }, 422, /at most 86400 seconds/],
    [{ ...good, ttl_seconds: 0 }, 400, /ttl_seconds/],
    [{ ...good, agent: "" }, 400, /agent/],
    [{ ...good, max_call: 3 }, 400, /"max_call" is no restriction/],
    [{ ...good, rate: { calls: 1, per_seconds: 1 } }, 400, /No configured check enforces "rate"/],
    [{ ...good, usr: "alice" }, 400, /"usr" is no restriction/],
    [{ ...good, jti: "x" }, 400, /"jti" is no restriction/],
    [{ ...good, exp: 5 }, 400, /"exp" is no restriction/],
    [{ ...good, args: { pay: { type: "oops" } } }, 400, /args\/pay\/type/],
    [{ ...good, args: { pay: { type: "object", required: 1 } } }, 422, /"required" must be/],
    [{ ...good, max_calls: -1 }, 400, /max_calls/],
    ['{"tenant":"acme","tenant":"acme"}', 400, /twice|duplicate/i],
    ["[]", 400, /./],
    ["{", 400, /./],
  ];
  for (const [body, status, detail] of cases) {
    const response = await ask("/tokens", body);
    const problem = await response.json();
    assert.equal(response.status, status, JSON.stringify(body));
    assert.match(problem.detail, detail);
  }
  assert.equal(entries.length, 0);
  assert.equal((await ask("/tokens", "x", { "content-type": "text/plain" })).status, 415);
  assert.equal((await ask("/tokens", "x".repeat(300_000))).status, 413);
});

Deno.test("POST /revocations takes a jti or a block id, and records the reason", async () => {
  const { ask, entries, inserted } = await adminApi();
  const jti = "known0123456789abcdefg";
  assert.equal((await ask("/revocations", { tenant: "acme", jti, reason: "leaked" })).status, 201);
  const blockId = "A".repeat(43);
  assert.equal((await ask("/revocations", { tenant: "acme", block_id: blockId, reason: "x" })).status, 201);
  assert.deepEqual(inserted.map((row) => (row as { value: string }).value), ["B".repeat(43), blockId]);
  assert.equal(entries[0]?.values?.reason, "leaked");
  assert.ok(entries[0]?.canonical.includes("leaked") === false, "what people typed stands beside the event");
  for (
    const body of [
      { tenant: "acme", reason: "x" },
      { tenant: "acme", jti, block_id: blockId, reason: "x" },
      { tenant: "acme", jti },
      { tenant: "acme", block_id: "short", reason: "x" },
    ]
  ) assert.equal((await ask("/revocations", body)).status, 400, JSON.stringify(body));
  const unknown = await ask("/revocations", { tenant: "acme", jti: "other0123456789abcdefg", reason: "x" });
  assert.equal(unknown.status, 404);
});

Deno.test("GET /audit/events answers parsed events, and refuses unknown and repeated parameters", async () => {
  const { ask } = await adminApi();
  const page = await (await ask("/audit/events?tenant=acme")).json();
  assert.deepEqual(page.events.map(({ seq }: { seq: number }) => seq), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(page.events[0].event.metadata.tenant_uid, "acme");
  const numbers = ["limit=0", "limit=", "limit=1001", "after=-1", "after=0x10", "after=1e3", "after=01"];
  for (const query of ["nope=1", "after=1&after=2", "after=9007199254740993", ...numbers]) {
    assert.equal((await ask(`/audit/events?tenant=acme&${query}`)).status, 400, query);
  }
});

Deno.test("a fault is answered without its details", async () => {
  const { ask, faults } = await adminApi();
  const response = await ask("/audit/verify?tenant=acme");
  assert.equal(response.status, 500);
  assert.equal((await response.text()).includes("secret"), false);
  assert.equal(faults.length, 1);
});

Deno.test("text that no record can hold is refused where it comes in", async () => {
  const { ask, send, entries, faults } = await adminApi();
  const acme = { tenant: "acme", reason: "x" };
  const bodies: [string, unknown][] = [
    ["/tokens", { tenant: "acme", agent: "a\0", ttl_seconds: 60 }],
    ["/tokens", { tenant: "acme", agent: "a", ttl_seconds: 60, tools: ["a\0"] }],
    ["/revocations", { ...acme, block_id: "A".repeat(43), reason: "\0" }],
    ["/kill-switches", { ...acme, scope: "tenant", reason: "a\0" }],
    ["/kill-switches", { ...acme, scope: "agent", value: "a\0" }],
    ["/tenants", { name: "new", settings: { description: "a\0" } }],
  ];
  for (const [path, body] of bodies) assert.equal((await ask(path, body)).status, 400, JSON.stringify(body));
  for (const name of ["%00", "%ff", "%zz", "a%2fb", "Acme", "~unverified"]) {
    assert.equal((await send(`/tenants/${name}`)).status, 404, name);
  }
  assert.deepEqual([entries.length, faults.length], [0, 0]);
});
