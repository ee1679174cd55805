import assert from "node:assert/strict";
import { Hono } from "hono";
import { adminApi, ROOT_TOKEN } from "./app_fixture.ts";
import { createAttemptThrottle } from "./attempt_throttle.ts";
import { authentication } from "./authentication.ts";
import type { AdminVariables } from "./environment.ts";
import { ProblemError, problemResponse } from "./problem.ts";
import { operatorDigest, operatorOf } from "./operator.ts";

Deno.test("operatorOf() asks for a named token by its digest, and for nothing that cannot be one", async () => {
  const asked: Uint8Array[] = [];
  const credentials = {
    rootDigest: operatorDigest(ROOT_TOKEN),
    find: (digest: Uint8Array) => {
      asked.push(digest);
      return Promise.resolve({ id: "alice", role: "viewer" as const, tenants: ["acme"] });
    },
  };
  const named = `igo_${"A".repeat(43)}`;
  assert.deepEqual(await operatorOf(credentials, `Bearer ${named}`), {
    ...{ id: "alice", how: "token", role: "viewer", tenants: ["acme"] },
  });
  assert.deepEqual(asked, [operatorDigest(named)]);
  for (const token of ["", "x", `${named}A`, named.slice(1), `igo_${"A".repeat(42)}=`, `${ROOT_TOKEN}x`]) {
    assert.equal(await operatorOf(credentials, `Bearer ${token}`), undefined, token);
  }
  assert.equal((await operatorOf(credentials, `Bearer ${ROOT_TOKEN}`))?.how, "root");
  assert.equal(asked.length, 1);
  const impostor = { ...credentials, find: () => Promise.resolve({ ...root(), id: "root" }) };
  assert.equal(await operatorOf(impostor, `Bearer ${named}`), undefined, "no row is ever root");
});

function root() {
  return { role: "admin" as const, tenants: "*" as const };
}

Deno.test("failed attempts are reported, and throttled per address with 429 and retry-after", async () => {
  const { send, refused, clock } = await adminApi();
  const wrong = { token: "wrong_wrong_wrong", sourceIp: "192.0.2.1" };
  for (let attempt = 0; attempt < 20; attempt++) assert.equal((await send("/tenants", wrong)).status, 401);
  const throttled = await send("/tenants", wrong);
  assert.equal(throttled.status, 429);
  assert.equal(throttled.headers.get("retry-after"), "3");
  assert.equal(throttled.headers.get("content-type"), "application/problem+json");
  assert.equal(
    (await send("/tenants", { sourceIp: "192.0.2.1" })).status,
    429,
    "a good token from there waits",
  );
  assert.equal(
    (await send("/tenants", { sourceIp: "192.0.2.2" })).status,
    200,
    "one from elsewhere does not",
  );
  assert.equal(refused.filter((text) => text === "operator_unauthenticated 192.0.2.1").length, 20);
  assert.equal(refused.filter((text) => text === "operator_throttled 192.0.2.1").length, 2);
  clock.ms += 3_000;
  assert.equal((await send("/tenants", { sourceIp: "192.0.2.1" })).status, 200);
});

Deno.test("good requests never count as attempts, however many there are", async () => {
  const { send, refused } = await adminApi();
  const answers = await Promise.all(Array.from({ length: 100 }, () => send("/tenants")));
  assert.ok(answers.every((answer) => answer.status === 200));
  assert.deepEqual(refused, []);
});

Deno.test("attempts that wait for the database are bounded per address, and a good one ends like any other", async () => {
  const waiting: (() => void)[] = [];
  const refused: string[] = [];
  const app = new Hono<AdminVariables>();
  app.use(
    "*",
    authentication({
      credentials: {
        rootDigest: operatorDigest(ROOT_TOKEN),
        find: () => new Promise((resolve) => void waiting.push(() => resolve({ ...root(), id: "alice" }))),
      },
      throttle: createAttemptThrottle({ nowMs: () => 0, maxPending: 3 }),
      sourceIpOf: (request) => request.headers.get("x-test-ip") ?? "",
      onRefused: (refusal) => void refused.push(refusal),
    }),
  );
  app.get("/", (context) => context.text("ok"));
  app.onError((error, context) => {
    if (error instanceof ProblemError) return problemResponse(context, error.problem);
    throw error;
  });
  const ask = async (ip: string, token = `igo_${"A".repeat(43)}`) =>
    (await app.request("/", { headers: { "x-test-ip": ip, authorization: `Bearer ${token}` } })).status;
  const first = [ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.1")];
  assert.equal(await ask("192.0.2.1"), 429);
  const elsewhere = ask("192.0.2.2");
  while (waiting.length < 4) await new Promise((resolve) => setTimeout(resolve));
  for (const answer of waiting.splice(0)) answer();
  assert.deepEqual(await Promise.all([...first, elsewhere]), [200, 200, 200, 200]);
  const again = ask("192.0.2.1");
  while (waiting.length < 1) await new Promise((resolve) => setTimeout(resolve));
  waiting[0]?.();
  assert.equal(await again, 200, "those that ended count no more");
  assert.deepEqual(refused, ["operator_throttled"]);
});
