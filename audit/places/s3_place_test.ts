import assert from "node:assert/strict";
import { PlaceError } from "./place.ts";
import { type PlaceCall, placeServer, SIGNAL, smallLog } from "./places_fixture.ts";
import { s3Place } from "./s3_place.ts";

const NOW_MS = Date.UTC(2026, 10, 28, 8, 0, 0);
const DAY_MS = 86_400_000;
const log = smallLog();

function placeAt(endpoint: string) {
  return s3Place({
    ...{ type: "s3", name: "s", endpoint, region: "eu-central-1", bucket: "audit", prefix: "acme/" },
    ...{ interval_seconds: 1, timeout_ms: 2_000, retention_days: 30, mode: "COMPLIANCE" },
    ...{ access_key_id: { env: "A" }, secret_access_key: { env: "B" } },
  }, {
    secrets: { accessKeyId: "AKID", secretAccessKey: "secret" },
    verifiersOf: log.verifiersOf,
    nowMs: () => NOW_MS,
  });
}

/** Answers a listing, and everything else as `rest` does. */
function bucket(rest: (call: PlaceCall) => Response, keys: readonly string[] = []) {
  const listing = keys.map((key) => `<Contents><Key>${key}</Key></Contents>`).join("");
  return placeServer((call) =>
    call.method === "GET" && call.path === "/audit"
      ? new Response(`<ListBucketResult>${listing}</ListBucketResult>`)
      : rest(call)
  );
}

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
    ...{ "list-type": "2", "max-keys": "1", prefix: "acme/default/" },
    "start-after": "acme/default/0000000000000007.checkpoint",
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
  const newer = "acme/default/0000000000000090.checkpoint";
  await using server = bucket(
    ({ path }) => new Response(path === `/audit/${newer}` ? log.checkpoint(90).note : ""),
    [
      newer,
    ],
  );
  const pushed = await placeAt(server.url).push(log.checkpoint(40), 40, SIGNAL);
  assert.deepEqual(pushed, { kind: "conflict", code: "rolled_back", size: 90 });
  assert.deepEqual(server.calls.map(({ method }) => method), ["GET", "GET"], "nothing was put");
});

Deno.test("a bucket is asked for larger checkpoints once, and what else lies there is none", async () => {
  const headers = locked(NOW_MS + 30 * DAY_MS);
  for (
    const key of [
      "acme/default/x",
      "acme/default/0000000000000003.checkpoint",
      "other/0000000000000090.checkpoint",
    ]
  ) {
    await using server = bucket(({ method }) => new Response(null, method === "HEAD" ? { headers } : {}), [
      key,
    ]);
    const place = placeAt(server.url);
    for (const size of [7, 8]) {
      assert.equal((await place.push(log.checkpoint(size), 0, SIGNAL)).kind, "taken");
    }
    assert.deepEqual(server.calls.map(({ method }) => method), ["GET", "PUT", "HEAD", "PUT", "HEAD"]);
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
