import assert from "node:assert/strict";
import { adminApi } from "./app_fixture.ts";

Deno.test("tenants are made, listed in pages, shown and changed, each change recorded in their chain", async () => {
  const { ask, send, entries } = await adminApi();
  const made = await ask("/tenants", { name: "globex", settings: { description: "Globex" } });
  assert.equal(made.status, 201);
  const first = {
    name: "globex",
    version: 2,
    settings: { description: "Globex" },
    created_at: 1_700_000_000,
  };
  assert.deepEqual(await made.json(), first);
  assert.equal((await ask("/tenants", { name: "globex" })).status, 409);
  const changed = await send("/tenants/globex", {
    ...{ method: "PATCH", body: { version: 2, settings: { description: "Globex Ltd" } } },
  });
  assert.deepEqual(await changed.json(), { ...first, version: 3, settings: { description: "Globex Ltd" } });
  const events = entries.map(({ chain, values, canonical }) => ({ chain, values, ...JSON.parse(canonical) }));
  assert.deepEqual(
    events.map(({ chain, metadata, activity_id, entity, values }) => [
      ...[chain, metadata.event_code, activity_id, entity.data, values],
    ]),
    [
      ["globex", "tenant.created", 1, { version: 2, settings: {} }, { description: "Globex" }],
      ["globex", "tenant.updated", 3, { version: 3, settings: {} }, { description: "Globex Ltd" }],
    ],
    "what people typed stands beside the events",
  );
  const page = await (await ask("/tenants?limit=2")).json();
  assert.deepEqual([page.tenants.length, page.next_after], [2, "default"]);
  const rest = await (await ask("/tenants?limit=2&after=default")).json();
  assert.deepEqual(rest, { tenants: [await (await ask("/tenants/globex")).json()], next_after: null });
});

Deno.test("PATCH /tenants/{name} keeps what it does not name, takes away null, and refuses a stale version", async () => {
  const { send, ask, entries } = await adminApi();
  const patch = (body: unknown) => send("/tenants/acme", { method: "PATCH", body });
  assert.equal((await patch({ version: 1, settings: { description: "one" } })).status, 200);
  const stale = await patch({ version: 1, settings: { description: "two" } });
  assert.equal(stale.status, 409);
  const problem = await stale.json();
  assert.equal(problem.type, "urn:intentgate:problem:version_conflict");
  assert.equal(problem.detail, 'Expected version 1 of tenant "acme", found 2');
  assert.deepEqual((await (await patch({ version: 2, settings: {} })).json()).settings, {
    description: "one",
  });
  assert.deepEqual(
    (await (await patch({ version: 3, settings: { description: null } })).json()).settings,
    {},
  );
  assert.equal(entries.length, 3);
  for (
    const body of [
      { settings: {} },
      { version: 4 },
      { version: "4", settings: {} },
      { version: 4, settings: { colour: "red" } },
      { version: 4, settings: { description: "a\nb" } },
      { version: 4, settings: { description: "\0" } },
      { version: 4, settings: { description: "x".repeat(501) } },
    ]
  ) assert.equal((await patch(body)).status, 400, JSON.stringify(body));
  assert.equal((await ask("/tenants", { name: "~installation" })).status, 400);
});

Deno.test("GET /tenants shows operators of some tenants only those", async () => {
  const { send, operator } = await adminApi();
  const token = await operator("alice", "viewer", ["acme"]);
  const { tenants } = await (await send("/tenants", { token })).json();
  assert.deepEqual(tenants.map(({ name }: { name: string }) => name), ["acme"]);
});
