import assert from "node:assert/strict";
import { signCheckpoint } from "../checkpoint.ts";
import { ed25519Signer } from "../signed_note.ts";
import { PlaceError } from "./place.ts";
import { ORIGIN, type PlaceCall, placeServer, SIGNAL, smallLog } from "./places_fixture.ts";
import { s3Place } from "./s3_place.ts";

const NOW_MS = Date.UTC(2026, 10, 28, 8, 0, 0);
const DAY_MS = 86_400_000;
const log = smallLog();

function placeAt(endpoint: string, tree = log.tree) {
  return s3Place({
    ...{ type: "s3", name: "s", endpoint, region: "eu-central-1", bucket: "audit", prefix: "acme/" },
    ...{ interval_seconds: 1, timeout_ms: 2_000, retention_days: 30, mode: "COMPLIANCE" },
    ...{ access_key_id: { env: "A" }, secret_access_key: { env: "B" } },
  }, {
    secrets: { accessKeyId: "AKID", secretAccessKey: "secret" },
    tree,
    verifiersOf: log.verifiersOf,
    nowMs: () => NOW_MS,
  });
}

/** Answers listings of these keys, in pages, and everything else as `rest` does. */
function bucket(rest: (call: PlaceCall) => Response, keys: readonly string[] = []) {
  return placeServer((call) => {
    if (call.method !== "GET" || call.path !== "/audit") return rest(call);
    const query = new URLSearchParams(call.query);
    assert.ok(query.has("versions"));
    const [prefix, after] = [query.get("prefix") ?? "", query.get("key-marker") ?? ""];
    const found = keys.toSorted().filter((key) => key.startsWith(prefix) && key > after);
    const page = found.slice(0, Number(query.get("max-keys")));
    const more = found.length > page.length
      ? `<NextKeyMarker>${escaped(page.at(-1) ?? "")}</NextKeyMarker>`
      : "";
    const versions = page.map((key) =>
      `<Version><Key>${escaped(key)}</Key><VersionId>v/1</VersionId></Version>`
    );
    return new Response(
      `<ListVersionsResult><IsTruncated>${more !== ""}</IsTruncated>${more}${
        versions.join("")
      }</ListVersionsResult>`,
    );
  });
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const nameOf = (size: number) => `acme/default/${String(size).padStart(16, "0")}.checkpoint`;

const locked = (ms: number) => ({
  "x-amz-object-lock-mode": "COMPLIANCE",
  "x-amz-object-lock-retain-until-date": new Date(ms).toISOString(),
});

Deno.test("an object is put once, locked, with every header of that signed", async () => {
  await using server = bucket(({ method }) =>
    new Response(null, method === "HEAD" ? { headers: locked(NOW_MS + 30 * DAY_MS) } : {})
  );
  assert.deepEqual(await placeAt(`${server.url}/`).push(log.checkpoint(7), 0, SIGNAL), { kind: "taken" });
  const [list, put, head] = server.calls;
  assert.deepEqual(Object.fromEntries(new URLSearchParams(list?.query)), {
    ...{ versions: "", "max-keys": "40", prefix: "acme/default/" },
    "key-marker": "acme/default/0000000000000000.checkpoint",
  });
  assert.deepEqual([put?.method, head?.method], ["PUT", "HEAD"]);
  assert.equal(put?.path, "/audit/acme/default/0000000000000007.checkpoint");
  const of = (name: string) => put?.headers.get(name);
  assert.equal(of("if-none-match"), "*");
  assert.equal(of("x-amz-object-lock-mode"), "COMPLIANCE");
  assert.equal(of("x-amz-object-lock-retain-until-date"), "2026-12-28T08:00:00.000Z");
  const [, signed = ""] = /SignedHeaders=([^,]+)/.exec(of("authorization") ?? "") ?? [];
  for (
    const name of ["host", "if-none-match", "content-md5", "x-amz-content-sha256", "x-amz-object-lock-mode"]
  ) {
    assert.ok(signed.split(";").includes(name), name);
  }
  assert.match(of("authorization") ?? "", /Credential=AKID\/20261128\/eu-central-1\/s3\/aws4_request/);
});

Deno.test("a service that ignores the lock has not taken the checkpoint", async () => {
  for (const headers of [{}, locked(NOW_MS + 29 * DAY_MS)]) {
    await using server = placeServer(({ method }) =>
      new Response(null, method === "HEAD" ? { headers } : {})
    );
    await assert.rejects(
      placeAt(server.url).push(log.checkpoint(7), 0, SIGNAL),
      /to be locked until 2026-12-28T/,
    );
  }
});

Deno.test("an object that is there already is ours, a fork, or somebody else's", async () => {
  const other = smallLog("other", log.key);
  const served = (text: string, headers: Record<string, string>) =>
    bucket(({ method }) =>
      method === "PUT"
        ? new Response("", { status: 412 })
        : new Response(method === "GET" ? text : null, { headers })
    );
  {
    await using server = served(log.checkpoint(7).note, locked(NOW_MS + DAY_MS));
    assert.deepEqual(await placeAt(server.url).push(log.checkpoint(7), 0, SIGNAL), { kind: "taken" });
  }
  {
    await using server = served(log.checkpoint(7).note, {});
    await assert.rejects(placeAt(server.url).push(log.checkpoint(7), 0, SIGNAL), /to be locked/);
  }
  {
    await using server = served(other.checkpoint(7).note, {});
    const pushed = await placeAt(server.url).push(log.checkpoint(7), 0, SIGNAL);
    assert.deepEqual(pushed, { kind: "conflict", code: "forked", size: 7 });
  }
  await using server = served(smallLog().checkpoint(7).note, {});
  await assert.rejects(placeAt(server.url).push(log.checkpoint(7), 0, SIGNAL), /Something else stands/);
});

Deno.test("a bucket that holds a larger checkpoint than the log has tells of a restored database", async () => {
  await using server = bucket(
    ({ path }) => new Response(path === `/audit/${nameOf(90)}` ? log.checkpoint(90).note : ""),
    [nameOf(90)],
  );
  const place = placeAt(server.url);
  for (let time = 0; time < 2; time++) {
    const pushed = await place.push(log.checkpoint(40), 40, SIGNAL);
    assert.deepEqual(pushed, { kind: "conflict", code: "rolled_back", size: 90 });
  }
  assert.ok(server.calls.every(({ method }) => method === "GET"), "nothing was put");
  assert.equal(server.calls[1]?.query, "?versionId=v%2F1");
});

Deno.test("a bucket whose database is restored under a running gateway is looked at again before every push", async () => {
  const restored = smallLog("restored", log.key);
  const held = [nameOf(100)];
  await using server = bucket(({ method, path }) => {
    if (method === "PUT") held.push(path.slice("/audit/".length));
    if (method !== "GET") return new Response(null, { headers: locked(NOW_MS + 30 * DAY_MS) });
    return new Response(log.checkpoint(Number(path.slice(-27, -11))).note);
  }, held);
  const place = placeAt(server.url);
  assert.equal((await place.push(log.checkpoint(200), 100, SIGNAL)).kind, "taken");
  const pushed = await place.push(log.checkpoint(150), 100, SIGNAL);
  assert.deepEqual(pushed, { kind: "conflict", code: "rolled_back", size: 200 });
  const grown = await placeAt(server.url, restored.tree).push(restored.checkpoint(220), 100, SIGNAL);
  assert.deepEqual(grown, { kind: "conflict", code: "forked", size: 200 });
  assert.equal(
    (await place.push(log.checkpoint(220), 100, SIGNAL)).kind,
    "taken",
    "what continues it is none",
  );
});

Deno.test("names of strangers do not hide a larger checkpoint, and too many of them are a failure", async () => {
  const strange = (count: number) =>
    Array.from({ length: count }, (_, n) => `acme/default/00000000000001&<${n}`);
  const serve = ({ path, method }: PlaceCall) =>
    path === `/audit/${nameOf(200)}`
      ? new Response(log.checkpoint(200).note)
      : new Response(null, method === "HEAD" ? { headers: locked(NOW_MS + 30 * DAY_MS) } : {});
  for (const [decoys, size] of [[1, 100], [90, 100], [90, 199]] as const) {
    await using server = bucket(serve, [nameOf(200), `${nameOf(101).slice(0, -10)}x`, ...strange(decoys)]);
    const pushed = await placeAt(server.url).push(log.checkpoint(size), 0, SIGNAL);
    assert.deepEqual(pushed, { kind: "conflict", code: "rolled_back", size: 200 });
  }
  await using full = bucket(serve, [nameOf(200), ...strange(1_001)]);
  await assert.rejects(placeAt(full.url).push(log.checkpoint(1), 0, SIGNAL), /at most 25 pages of versions/);
  assert.equal(full.calls.length, 50);
});

Deno.test("a log that was rolled back by more checkpoints than a push looks at is told of all the same", async () => {
  const restored = smallLog("restored", log.key);
  const noteOf = (size: number) =>
    signCheckpoint({ origin: ORIGIN, size, root: new Uint8Array(32) }, [ed25519Signer(ORIGIN, log.key)]);
  const held = Array.from({ length: 1_100 }, (_, n) => nameOf(41 + n));
  await using server = bucket(({ path }) => new Response(noteOf(Number(path.slice(-27, -11)))), held);
  for (const [size, heldSize, pages] of [[40, 40, 25], [45, 40, 50]] as const) {
    server.calls.length = 0;
    const pushed = await placeAt(server.url, restored.tree).push(restored.checkpoint(size), heldSize, SIGNAL);
    assert.equal(pushed.kind === "conflict" && pushed.code, "rolled_back");
    assert.equal(server.calls.length, pages + 1, "pages, and the largest that stands there");
  }
});

Deno.test("a place that is new here and old there needs no more than its smallest and its larger checkpoints", async () => {
  const old = [...[5, 9, 10].map(nameOf), ...Array.from({ length: 1_100 }, (_, n) => `${nameOf(10)}${n}`)];
  await using server = bucket(({ method, path }) => {
    if (method === "GET") return new Response(log.checkpoint(Number(path.slice(-27, -11))).note);
    return new Response(null, { headers: locked(NOW_MS + 30 * DAY_MS) });
  }, old);
  assert.equal((await placeAt(server.url).push(log.checkpoint(251), 0, SIGNAL)).kind, "taken");
  const fork = smallLog("other", log.key);
  const pushed = await placeAt(server.url, fork.tree).push(fork.checkpoint(251), 0, SIGNAL);
  assert.deepEqual(pushed, { kind: "conflict", code: "forked", size: 10 });
});

Deno.test("what else lies in a bucket is no checkpoint", async () => {
  const headers = locked(NOW_MS + 30 * DAY_MS);
  for (const key of ["acme/default/x", nameOf(3), "other/0000000000000090.checkpoint"]) {
    await using server = bucket(({ method }) => new Response(null, method === "HEAD" ? { headers } : {}), [
      key,
    ]);
    const place = placeAt(server.url);
    for (const size of [7, 8]) {
      assert.equal((await place.push(log.checkpoint(size), 6, SIGNAL)).kind, "taken");
    }
    assert.deepEqual(server.calls.map(({ method }) => method), ["GET", "PUT", "HEAD", "GET", "PUT", "HEAD"]);
  }
});

Deno.test("a refusal is told by its code, without what else the answer says", async () => {
  const xml = "<Error><Code>AccessDenied</Code><Message>arn:aws:iam::1:user/x</Message></Error>";
  await using server = placeServer(() => new Response(xml, { status: 403 }));
  await assert.rejects(placeAt(server.url).push(log.checkpoint(7), 0, SIGNAL), (error: Error) => {
    assert.ok(error instanceof PlaceError && !error.isDown);
    assert.equal(error.message, "It answered 403 (AccessDenied)");
    return true;
  });
});
