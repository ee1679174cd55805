import assert from "node:assert/strict";
import { adminApi } from "./app_fixture.ts";

const PATH = "/kill-switches";

Deno.test("POST /kill-switches engages every scope and records it in the chain it concerns", async () => {
  const { ask, entries } = await adminApi();
  const bodies = [
    { scope: "all" },
    { scope: "tenant", tenant: "acme" },
    { scope: "upstream", value: "erp" },
    { scope: "upstream", tenant: "acme", value: "erp" },
    { scope: "agent", tenant: "acme", value: "bot" },
  ];
  for (const [index, body] of bodies.entries()) {
    const answer = await ask(PATH, { ...body, reason: "leak" });
    assert.equal(answer.status, 201);
    assert.deepEqual(await answer.json(), { number: index + 1, ...body });
  }
  assert.deepEqual(entries.map(({ chain }) => chain), [
    ...["~installation", "acme", "~installation", "acme", "acme"],
  ]);
  const last = JSON.parse(entries.at(-1)?.canonical ?? "");
  assert.deepEqual([last.metadata.event_code, entries.at(-1)?.values?.reason], [
    "kill_switch.engaged",
    "leak",
  ]);
  assert.deepEqual(last.entity, { type: "kill_switch", uid: "5", data: bodies[4] });
});

Deno.test("POST /kill-switches refuses what would stop nothing, or something else than meant", async () => {
  const { ask, entries } = await adminApi();
  const cases: [unknown, number][] = [
    [{ scope: "all", tenant: "acme", reason: "x" }, 400],
    [{ scope: "all" }, 400],
    [{ scope: "tenant", reason: "x" }, 400],
    [{ scope: "tenant", tenant: "acme", value: "y", reason: "x" }, 400],
    [{ scope: "agent", value: "bot", reason: "x" }, 400],
    [{ scope: "everything", reason: "x" }, 400],
    [{ scope: "tenant", tenant: "nobody", reason: "x" }, 404],
    [{ scope: "upstream", value: "erpp", reason: "x" }, 404],
  ];
  for (const [body, status] of cases) {
    assert.equal((await ask(PATH, body)).status, status, JSON.stringify(body));
  }
  assert.equal(entries.length, 0);
});

Deno.test("a switch is released once, with a reason, and the list shows what is still engaged", async () => {
  const { ask, entries } = await adminApi();
  for (const agent of ["a", "b"]) {
    await ask(PATH, { scope: "agent", tenant: "acme", value: agent, reason: "x" });
  }
  assert.equal((await ask(`${PATH}/1/release`, {})).status, 400);
  const released = await ask(`${PATH}/1/release`, { reason: "found" });
  assert.equal(released.status, 200);
  assert.deepEqual(await released.json(), { number: 1, scope: "agent", tenant: "acme", value: "a" });
  for (const number of ["1", "99", "0", "-1", "1.5", "0x2", "%202", "02", "x", "9".repeat(30)]) {
    const answer = await ask(`${PATH}/${number}/release`, { reason: "x" });
    assert.equal((await answer.json()).type, "urn:intentgate:problem:unknown_kill_switch", number);
    assert.equal(answer.status, 404);
  }
  assert.equal(JSON.parse(entries.at(-1)?.canonical ?? "").metadata.event_code, "kill_switch.released");
  assert.deepEqual(await (await ask(PATH)).json(), {
    kill_switches: [{
      ...{ number: 2, scope: "agent", tenant: "acme", value: "b", reason: "x", operator: "root" },
      since: 1_700_000_000,
    }],
    next_after: null,
  });
  assert.equal((await (await ask(`${PATH}?limit=1`)).json()).next_after, 2);
});

Deno.test("operators of some tenants switch those only, and see what stops them", async () => {
  const { ask, send, operator } = await adminApi();
  const token = await operator("ops", "operator", ["acme"]);
  const viewer = await operator("view", "viewer", ["acme"]);
  const post = (path: string, body: unknown, as = token) => send(path, { body, token: as });
  await ask(PATH, { scope: "all", reason: "x" });
  await ask(PATH, { scope: "tenant", tenant: "default", reason: "x" });
  const acme = { scope: "tenant", tenant: "acme", reason: "x" };
  assert.equal((await post(PATH, acme)).status, 201);
  assert.equal((await post(PATH, acme, viewer)).status, 403);
  assert.equal((await post(PATH, { scope: "all", reason: "x" })).status, 403);
  assert.equal((await post(PATH, { scope: "upstream", value: "erp", reason: "x" })).status, 403);
  assert.equal((await post(PATH, { scope: "tenant", tenant: "default", reason: "x" })).status, 404);
  const { kill_switches: seen } = await (await send(PATH, { token: viewer })).json();
  assert.deepEqual(seen.map(({ number }: { number: number }) => number), [1, 3]);
  assert.equal((await post(`${PATH}/1/release`, { reason: "x" })).status, 403);
  assert.equal((await post(`${PATH}/2/release`, { reason: "x" })).status, 404);
  assert.equal((await post(`${PATH}/3/release`, { reason: "x" }, viewer)).status, 403);
  assert.equal((await post(`${PATH}/3/release`, { reason: "x" })).status, 200);
});
