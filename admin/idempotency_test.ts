import assert from "node:assert/strict";
import { createAnswerSeal } from "./answer_seal.ts";
import { adminApi } from "./app_fixture.ts";
import { type KeyedRequest, keyedRequest } from "./idempotency.ts";

const mint = { tenant: "acme", agent: "a", ttl_seconds: 60 };
const withKey = (body: unknown, key = '"k"') => ({ body, headers: { "idempotency-key": key } });

Deno.test("a repeated request gets the first answer, token and all, and changes nothing", async () => {
  const { send, entries, inserted } = await adminApi();
  const first = await send("/tokens", withKey(mint));
  assert.deepEqual([first.status, first.headers.get("idempotency-replayed")], [201, null]);
  const again = await send("/tokens", withKey({ ttl_seconds: 60, agent: "a", tenant: "acme" }));
  assert.deepEqual([again.status, again.headers.get("idempotency-replayed")], [201, "true"]);
  assert.equal(await again.text(), await first.text());
  assert.equal((await send("/tokens", withKey(mint, "k"))).headers.get("idempotency-replayed"), "true");
  assert.deepEqual([entries.length, inserted.length], [1, 1]);
  assert.equal((await send("/tokens", { body: mint })).headers.get("idempotency-replayed"), null);
  assert.equal(entries.length, 2);
});

Deno.test("a repetition is answered although what it needed is gone because of it", async () => {
  const { send, ask } = await adminApi();
  await ask("/kill-switches", { scope: "all", reason: "x" });
  await ask("/operators", { id: "alice", role: "viewer", tenants: "*", ttl_seconds: 60 });
  for (let time = 0; time < 2; time++) {
    assert.equal((await send("/kill-switches/1/release", withKey({ reason: "x" }, "r"))).status, 200);
    const headers = { "idempotency-key": "d" };
    assert.equal((await send("/operators/alice", { method: "DELETE", headers })).status, 200);
    const patch = { method: "PATCH", ...withKey({ version: 1, settings: { description: "x" } }, "p") };
    assert.equal((await (await send("/tenants/acme", patch)).json()).version, 2);
  }
});

Deno.test("a key serves one request of one operator, and only a change that was made", async () => {
  const { send, operator, entries } = await adminApi();
  await send("/tokens", withKey(mint));
  const reuses: [string, unknown][] = [
    ["/tokens", { ...mint, agent: "b" }],
    ["/tokens", { ...mint, tools: ["*"] }],
    ["/revocations", { tenant: "acme", block_id: "A".repeat(43), reason: "x" }],
    ["/tenants", { name: "other" }],
  ];
  for (const [path, body] of reuses) {
    const response = await send(path, withKey(body));
    assert.equal((await response.json()).type, "urn:intentgate:problem:idempotency_key_reused");
    assert.equal(response.status, 422);
  }
  assert.equal(entries.length, 1);
  const token = await operator("alice", "operator", ["acme"]);
  const hers = await send("/tokens", { ...withKey(mint), token });
  assert.deepEqual([hers.status, hers.headers.get("idempotency-replayed")], [201, null]);
  const refused = withKey({ name: "fresh" }, "f");
  assert.equal((await send("/tenants", { ...refused, token })).status, 403);
  assert.equal((await send("/tenants", withKey({ name: "acme" }, "f"))).status, 409);
  assert.equal(
    (await send("/tenants", refused)).status,
    201,
    "what was refused changed nothing and took no key",
  );
});

Deno.test("whoever gets an operator's id later gets none of the answers from before", async () => {
  const { send, operator } = await adminApi();
  const before = await operator("alice", "operator", ["acme"]);
  const first = await (await send("/tokens", { ...withKey(mint), token: before })).json();
  await send("/operators/alice", { method: "DELETE" });
  const after = await operator("alice", "operator", ["acme"]);
  const second = await send("/tokens", { ...withKey(mint), token: after });
  assert.equal(second.headers.get("idempotency-replayed"), null);
  assert.notEqual((await second.json()).token, first.token);
});

Deno.test("keyedRequest() reads a key with quotes or without, and refuses what is none", () => {
  const request = { method: "POST", path: "/tokens", body: { a: 1 } };
  const key = (header: string) => keyedRequest(header, "root", request)?.key;
  assert.equal(keyedRequest(undefined, "root", request), undefined);
  assert.deepEqual([key('"a b"'), key("ab-1"), key('"ab-1"')], ["a b", "ab-1", "ab-1"]);
  for (
    const bad of [
      "",
      '""',
      '"a',
      "a b",
      '"a"b"',
      '"a\\b"',
      `"${"x".repeat(129)}"`,
      "é",
      '"a", "b"',
      '"a";p=1',
    ]
  ) {
    assert.throws(() => key(bad), /double quotes/, bad);
  }
  const digest = (changed: Partial<typeof request>) =>
    keyedRequest("k", "root", { ...request, ...changed })?.requestSha256.toString();
  const same = digest({ body: JSON.parse('{"b":{"d":1,"c":[2,1]},"a":1}') });
  assert.equal(digest({ body: JSON.parse('{"a":1,"b":{"c":[2,1],"d":1}}') }), same);
  const others = [
    digest({ method: "PATCH" }),
    digest({ path: "/x" }),
    digest({ body: { a: 2 } }),
    digest({}),
    same,
  ];
  assert.equal(new Set(others).size, others.length);
});

Deno.test("createAnswerSeal() opens an answer for its own request only, and hides it", async () => {
  const newKey = () =>
    crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]) as Promise<
      CryptoKey
    >;
  const keys = new Map([["k1", await newKey()], ["k2", await newKey()]]);
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const request: KeyedRequest = { operator: "alice", key: "k", requestSha256: new Uint8Array(32) };
  const old = createAnswerSeal({ active: "k1", keys }, randomBytes);
  const sealed = await old.seal("secret token", request);
  assert.match(sealed, /^igi1\.k1\.[A-Za-z0-9_-]+$/);
  assert.equal(sealed.includes("secret"), false);
  assert.notEqual(await old.seal("secret token", request), sealed);
  const rotated = createAnswerSeal({ active: "k2", keys }, randomBytes);
  assert.equal(await rotated.open(sealed, request), "secret token");
  const others = [{ operator: "bob" }, { key: "l" }, { requestSha256: new Uint8Array(32).fill(1) }];
  for (const other of others) assert.equal(await rotated.open(sealed, { ...request, ...other }), undefined);
  const damaged = [`${sealed}A`, sealed.replace("k1", "k2"), sealed.replace("igi1", "igi2"), "igi1.k1.", ""];
  for (const text of damaged) assert.equal(await rotated.open(text, request), undefined, text);
  const without = createAnswerSeal({ active: "k2", keys: new Map([["k2", keys.get("k2")!]]) }, randomBytes);
  assert.equal(await without.open(sealed, request), undefined, "its key was retired");
  assert.throws(() => createAnswerSeal({ active: "k3", keys }, randomBytes), RangeError);
});
