import assert from "node:assert/strict";
import { adminApi } from "./app_fixture.ts";
import { NAMED_TOKEN, OLD_ASKER } from "./actions_fixture.ts";

Deno.test("pruning and erasing take two operators with names: not the start-up token, not the one who asked", async () => {
  const { ask, send, operator, entries } = await adminApi();
  const alice = await operator("alice", "admin", ["acme"]);
  for (const [path, body] of [["prunes", {}], ["erasures", { agent: "bot" }]] as const) {
    const asked = { tenant: "acme", ...body };
    assert.equal((await ask(`/audit/${path}`, asked)).status, 403, "root is nobody's name");
    const answer = await (await send(`/audit/${path}`, { body: asked, token: alice })).json();
    const confirm = { method: "POST", token: alice };
    const own = await send(`/audit/actions/${answer.id}/confirm`, confirm);
    assert.equal(own.status, 403);
    assert.match((await own.json()).detail, /other than "alice"/);
    const before = entries.length;
    assert.equal((await ask(`/audit/actions/${answer.id}/confirm`, {})).status, 403);
    assert.equal(entries.length, before, "nothing happened");
  }
});

Deno.test("an operator cannot confirm what one asked for whose token it made, or who made its own", async () => {
  const { send, state, entries } = await adminApi();
  state.actions.areRelated = true;
  const refused = await send("/audit/actions/erase-acme/confirm", { method: "POST", token: NAMED_TOKEN });
  assert.deepEqual([refused.status, entries.length], [403, 0]);
  assert.match((await refused.json()).detail, /are not two/);
});

Deno.test("an operator who has asked again under the name of an asker cannot confirm", async () => {
  const { send, operator } = await adminApi();
  const token = await operator(OLD_ASKER, "admin", "*");
  const confirmed = await send("/audit/actions/erase-acme/confirm", { method: "POST", token });
  assert.equal(confirmed.status, 403);
});

Deno.test("an erasure names one of agent, user and event; what was erased stands in its event", async () => {
  const { send, entries } = await adminApi();
  const erase = (body: unknown) => send("/audit/erasures", { body, token: NAMED_TOKEN });
  for (const terms of [{}, { agent: "a", user: "b" }, { agent: "a", event: "c" }]) {
    assert.equal((await erase({ tenant: "acme", ...terms })).status, 422, JSON.stringify(terms));
  }
  assert.equal((await erase({ tenant: "acme", agent: "" })).status, 400);
  assert.equal((await erase({ tenant: "acme", user: "eve", from_time: 5, to_time: 9 })).status, 201);
  const asked = JSON.parse(entries.at(-1)?.canonical ?? "");
  assert.equal(asked.metadata.event_code, "audit.erase_requested");
  assert.deepEqual(asked.entity.data, { user: "eve", from_time: 5, to_time: 9 });
  const done = await send("/audit/actions/erase-acme/confirm", { method: "POST", token: NAMED_TOKEN });
  assert.deepEqual((await done.json()).erased, { salts: 3, values: 5 });
  const event = JSON.parse(entries.at(-1)?.canonical ?? "");
  assert.equal(event.metadata.event_code, "audit.erased");
  const confirmed = JSON.parse(entries.at(-2)?.canonical ?? "");
  assert.deepEqual([confirmed.metadata.event_code, confirmed.entity.data.last], [
    "audit.erase_confirmed",
    10,
  ]);
  assert.deepEqual(event.entity.data, { agent: "bot", request: "erase-acme", last: 10, salts: 3, values: 5 });
});

Deno.test("an erasure from a long chain is answered after its first step, recorded as begun, and listed until it ends", async () => {
  const { send, state, entries } = await adminApi();
  state.actions.chainEvents = 12_000;
  const confirm = { method: "POST", token: NAMED_TOKEN };
  const answer = await (await send("/audit/actions/erase-acme/confirm", confirm)).json();
  assert.deepEqual(
    [answer.erased, answer.erasing],
    [undefined, { seq: 5_000, last: 12_000, salts: 3, values: 5 }],
  );
  const event = JSON.parse(entries.at(-1)?.canonical ?? "");
  assert.equal(event.metadata.event_code, "audit.erase_confirmed");
  assert.deepEqual(event.entity.data, { agent: "bot", request: "erase-acme", last: 12_000 });
  assert.equal(event.unmapped.operator.id, "named-admin");
  assert.equal(state.actions.goneOn, 1, "it goes on by itself");
  const listed = await (await send("/audit/actions", { token: NAMED_TOKEN })).json();
  const row = listed.actions.find(({ id }: { id: string }) => id === "erase-acme");
  assert.deepEqual([row.confirmed_by, row.erasing], ["named-admin", answer.erasing]);
  const again = await send("/audit/actions/erase-acme/confirm", confirm);
  assert.equal(again.status, 404, "it was confirmed");
});

Deno.test("chains that are no tenant's are pruned and erased from by operators of all tenants only", async () => {
  const { send, operator, state, entries } = await adminApi();
  const some = await operator("some", "admin", ["acme", "default"]);
  for (const tenant of ["~unverified", "~installation"]) {
    const prune = await send("/audit/prunes", { body: { tenant }, token: some });
    const erase = await send("/audit/erasures", { body: { tenant, user: "eve" }, token: some });
    assert.deepEqual([prune.status, erase.status], [404, 404], tenant);
    const before = entries.length;
    for (const [path, body] of [["prunes", { tenant }], ["erasures", { tenant, user: "eve" }]] as const) {
      assert.equal((await send(`/audit/${path}`, { body, token: NAMED_TOKEN })).status, 201, path);
    }
    assert.deepEqual(entries.slice(before).map(({ chain }) => chain), [tenant, tenant]);
    const listed = await (await send("/audit/actions", { token: some })).json();
    assert.ok(listed.actions.every((row: { tenant: string }) => row.tenant !== tenant));
    state.actions.retentionDays = undefined;
    const refused = await (await send("/audit/prunes", { body: { tenant }, token: NAMED_TOKEN })).json();
    assert.match(refused.detail, new RegExp(`no ${tenant.slice(1)}_retention_days`));
    state.actions.retentionDays = 30;
  }
});

Deno.test("what waits is listed to operators of its tenant only, and is gone when it was confirmed", async () => {
  const { send, operator } = await adminApi();
  const viewer = await operator("vera", "viewer", ["acme"]);
  const ids = async () =>
    (await (await send("/audit/actions", { token: viewer })).json()).actions.map(({ id }: { id: string }) =>
      id
    );
  assert.deepEqual(await ids(), ["erase-acme", "prune-acme"]);
  const confirm = { method: "POST", token: NAMED_TOKEN };
  assert.equal((await send("/audit/actions/erase-acme/confirm", confirm)).status, 200);
  assert.equal((await send("/audit/actions/erase-acme/confirm", confirm)).status, 404);
  assert.deepEqual(await ids(), ["prune-acme"]);
});

Deno.test("a prune that retention does not allow any more is not confirmed", async () => {
  const { send, state, entries } = await adminApi();
  const before = entries.length;
  for (
    const [retention, why] of [
      [{ prunableTo: 255 }, /Retention has changed .* kept for 30 days/],
      [{ retentionDays: undefined }, /Retention has changed .* all events of the chain are kept/],
    ] as const
  ) {
    Object.assign(state.actions, retention);
    const refused = await send("/audit/actions/prune-acme/confirm", { method: "POST", token: NAMED_TOKEN });
    assert.equal(refused.status, 409);
    assert.match((await refused.json()).detail, why);
  }
  assert.equal(entries.length, before);
});

Deno.test("a prune of events that do not verify is refused, and says where", async () => {
  const { send, state, entries } = await adminApi();
  state.chainFault = undefined;
  const before = entries.length;
  const refused = await send("/audit/actions/prune-acme/confirm", { method: "POST", token: NAMED_TOKEN });
  assert.equal(refused.status, 409);
  assert.match((await refused.json()).detail, /broken at event 1 \(/);
  assert.equal(entries.length, before);
});

Deno.test("values are read with their digests, and only after that was recorded", async () => {
  const { ask, entries } = await adminApi();
  const answer = await (await ask("/audit/values?tenant=acme&seq=2")).json();
  assert.deepEqual(answer.values, [{ field: "reason", value: "why", digest: null, matches: false }]);
  const event = JSON.parse(entries.at(-1)?.canonical ?? "");
  assert.deepEqual([event.metadata.event_code, event.entity.uid], ["audit.values_read", "2"]);
});
