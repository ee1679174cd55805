import assert from "node:assert/strict";
import { parseNote } from "../audit/signed_note.ts";
import { arrivedExport } from "../audit/export/resume.ts";
import { adminApi, ROOT_TOKEN } from "./app_fixture.ts";

Deno.test("tiles and entries come as bytes that any cache of one's own may keep; what is not signed is 404", async () => {
  const { app, ask } = await adminApi();
  // As programs of the tlog-tiles world ask, with the slashes as they are.
  const headers = { authorization: `Bearer ${ROOT_TOKEN}` };
  const tile = await app.request("/audit/log/acme/tile/0/000.p/10", { headers });
  assert.equal((await tile.arrayBuffer()).byteLength, 320);
  assert.equal(tile.headers.get("cache-control"), "private, max-age=31536000, immutable");
  const bundle = new Uint8Array(await (await ask("/audit/log/acme/tile/entries/000.p%2F2")).arrayBuffer());
  const length = bundle[0]! * 256 + bundle[1]!;
  assert.equal(
    JSON.parse(new TextDecoder().decode(bundle.subarray(2, 2 + length))).metadata.tenant_uid,
    "acme",
  );
  const checkpoint = await ask("/audit/log/acme/checkpoint");
  assert.equal(checkpoint.headers.get("cache-control"), "private, no-cache");
  assert.match(parseNote(await checkpoint.text()).text, /^gateway\.example\/acme\n10\n/);
  const missing = [
    ...[
      "tile/0/000",
      "tile/0/000.p/11",
      "tile/0/000.p/0",
      "tile/0/000.p/256",
      "tile/1/000.p/1",
      "tile/64/000",
    ],
    ...[
      "tile/0/001.p/1",
      "tile/00/000.p/1",
      "tile/x/000.p/1",
      "tile/entries/000",
      "tile/entries/0",
      "tile/0",
    ],
    ...["tile/0/000.p/1/x", "tile/0/x000/000.p/1", "tile/0/000.p/01", "nothing"],
  ];
  for (const path of missing) assert.equal((await ask(`/audit/log/acme/${path}`)).status, 404, path);
});

Deno.test("an export is recorded with who took what, and refused where nothing is proven", async () => {
  const { app, send, operator, entries } = await adminApi();
  const token = await operator("eve", "auditor", ["acme"]);
  const before = entries.length;
  const got = await send("/audit/export?tenant=acme&first=3&last=6&agent=bot", { token });
  assert.match(got.headers.get("content-disposition") ?? "", /filename="audit_acme\.tar"/);
  const arrived = await arrivedExport(got.body ?? assert.fail());
  assert.deepEqual(arrived?.manifest.filter, { agent: "bot" });
  const event = JSON.parse(entries.at(-1)?.canonical ?? "{}");
  assert.deepEqual([entries.length, event.activity_id, event.metadata.event_code], [
    before + 1,
    2,
    "audit.exported",
  ]);
  assert.equal(event.unmapped.operator.id, "eve");
  const filter = { agent: "bot" };
  assert.deepEqual(event.entity.data, { format: "archive", first: 3, last: 6, size: 10, filter });
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await app.request("/audit/export?tenant=acme", { method: "HEAD", headers })).status, 200);
  for (const query of ["first=11", "last=11", "size=4", "since_size=11", "resume_after=3"]) {
    assert.equal((await send(`/audit/export?tenant=acme&${query}`, { token })).status, 422, query);
  }
  assert.equal(entries.length, before + 1, "what was not served is not recorded");
});
