import assert from "node:assert/strict";
import { openCheckpoint } from "../checkpoint.ts";
import { equal, verifyConsistency } from "../merkle_tree.ts";
import { formatVerifierKey, NoteError, parseVerifierKey } from "../signed_note.ts";
import { PlaceError } from "./place.ts";
import { ORIGIN, type PlaceCall, placeServer, SIGNAL, smallLog, witnessKey } from "./places_fixture.ts";
import { witnessPlace } from "./witness_place.ts";

const NOW_SECONDS = 1_800_000_000;
const log = smallLog();
const key = witnessKey();

function placeAt(url: string, { publicKey = key.line, timeoutMs = 2_000, tree = log.tree } = {}) {
  return witnessPlace({
    ...{ type: "witness", name: "w", url, public_key: publicKey, interval_seconds: 1, timeout_ms: timeoutMs },
  }, { tree, nowMs: () => NOW_SECONDS * 1000 });
}

const sizeAnswer = (size: number) =>
  new Response(`${size}\n`, { status: 409, headers: { "content-type": "text/x.tlog.size" } });

/** The parts of a request. */
function partsOf({ body }: PlaceCall) {
  const at = body.indexOf("\n\n");
  const [old = "", ...proof] = body.slice(0, at).split("\n");
  return {
    old,
    proof: proof.map((line) => new Uint8Array(atob(line).split("").map((one) => one.charCodeAt(0)))),
    note: body.slice(at + 2),
  };
}

Deno.test("a witness gets the old size, a proof of growth and the checkpoint, and its cosignature is kept", async () => {
  await using server = placeServer(({ body }) =>
    new Response(
      `\u2014 someone.else/key ${btoa("\0".repeat(76))}\n${
        key.cosign(body.slice(body.indexOf("\n\n") + 2), NOW_SECONDS)
      }`,
    )
  );
  const [earlier, now] = [log.checkpoint(5), log.checkpoint(100)];
  const result = await placeAt(`${server.url}/w/`).push(now, 5, SIGNAL);
  assert.ok(result.kind === "taken" && result.cosignature !== undefined);
  const [call] = server.calls;
  assert.equal(call?.path, "/w/add-checkpoint");
  const { old, proof, note } = partsOf(call!);
  assert.equal(old, "old 5");
  assert.ok(verifyConsistency(earlier, now, proof));
  assert.equal(note, now.note);
  assert.equal(result.cosignature.witness, key.line.split("+").slice(0, 2).join("+"));
  assert.equal(result.cosignature.line.split("\n").length, 2, "its line alone, not those of strangers");
  const opened = openCheckpoint(now.note + result.cosignature.line, {
    ...{ origin: ORIGIN, keys: log.verifiersOf(), witnesses: [parseVerifierKey(key.line)] },
  });
  assert.ok(opened.cosigners.length === 1 && equal(opened.checkpoint.root, now.root));
});

Deno.test("a witness that has another size is asked again from there, with no proof from nothing", async () => {
  for (const known of [0, 3, 100]) {
    await using server = placeServer((call, number) =>
      number === 1 ? sizeAnswer(known) : new Response(key.cosign(partsOf(call).note, NOW_SECONDS))
    );
    assert.equal((await placeAt(server.url).push(log.checkpoint(100), 60, SIGNAL)).kind, "taken");
    const { old, proof } = partsOf(server.calls[1]!);
    assert.equal(old, `old ${known}`);
    assert.equal(proof.length > 0, known === 3);
  }
});

Deno.test("a witness that holds more, or something else, contradicts the log", async () => {
  await using ahead = placeServer(() => sizeAnswer(101));
  const pushed = await placeAt(ahead.url).push(log.checkpoint(100), 100, SIGNAL);
  assert.deepEqual(pushed, { kind: "conflict", code: "rolled_back", size: 101 });
  await using other = placeServer(() => new Response("bad consistency proof", { status: 422 }));
  const forked = await placeAt(other.url).push(log.checkpoint(100), 60, SIGNAL);
  assert.deepEqual(forked, { kind: "conflict", code: "forked", size: 60 });
});

Deno.test("another root at the same size is a fork, by the specification of 2026 (422) and by its release 1.0.0 (409)", async () => {
  const text = { "content-type": "text/plain; charset=utf-8" };
  const answers = [
    () => new Response("", { status: 422 }),
    () => new Response("", { status: 409 }),
    () => new Response("old root hash does not match\n", { status: 409, headers: text }),
    () => sizeAnswer(100),
  ];
  for (const answer of answers) {
    await using server = placeServer(answer);
    const pushed = await placeAt(server.url).push(log.checkpoint(100), 100, SIGNAL);
    assert.deepEqual(pushed, { kind: "conflict", code: "forked", size: 100 });
  }
  await using later = placeServer((_, number) =>
    number === 1 ? sizeAnswer(100) : new Response("", { status: 409 })
  );
  const pushed = await placeAt(later.url).push(log.checkpoint(100), 60, SIGNAL);
  assert.deepEqual(pushed, { kind: "conflict", code: "forked", size: 100 });
});

Deno.test("a 409 that may name a size in a wrong way is a failure, and never a fork", async () => {
  const size = { "content-type": "text/x.tlog.size" };
  for (
    const answer of [
      new Response("120\n", { status: 409 }),
      new Response("x", { status: 409, headers: size }),
    ]
  ) {
    await using server = placeServer(() => answer);
    await assert.rejects(placeAt(server.url).push(log.checkpoint(100), 100, SIGNAL), /409 without the size/);
  }
});

Deno.test("an answer that is no cosignature of this checkpoint by this key is refused", async () => {
  const { note } = log.checkpoint(9);
  const line = key.cosign(note, NOW_SECONDS);
  const changed = line.slice(0, -30) + (line.at(-30) === "A" ? "B" : "A") + line.slice(-29);
  const answers: readonly (readonly [Response, RegExp])[] = [
    [new Response(key.cosign(log.checkpoint(8).note, NOW_SECONDS)), /no cosignature of its key under this/],
    [new Response(witnessKey().cosign(note, NOW_SECONDS)), /no cosignature of its key/],
    [new Response(changed), /no cosignature of its key/],
    [new Response(key.cosign(note, 0)), /is from 0, which is not now/],
    [new Response(key.cosign(note, NOW_SECONDS + 3_601)), /is not now/],
    [new Response(""), /is no cosignature/],
    [new Response("<html>"), /is no cosignature/],
    [new Response("\u2014 x".repeat(40_000)), /at most 65536 bytes/],
    [new Response("9\n", { status: 409 }), /409 without the size/],
    [new Response("", { status: 409 }), /409 without the size/],
    [sizeAnswer(4), /is what it was told/],
    [
      new Response("", { status: 302, headers: { location: "http://127.0.0.1:1/" } }),
      /302, a redirect, which is/,
    ],
    [new Response("unknown log", { status: 404 }), /answered 404 \(unknown log\)/],
    [new Response("secret", { status: 403, headers: { "content-type": "text/html" } }), /answered 403$/],
  ];
  for (const [answer, expected] of answers) {
    await using server = placeServer(() => answer);
    await assert.rejects(placeAt(server.url).push(log.checkpoint(9), 4, SIGNAL), (error: Error) => {
      assert.ok(error instanceof PlaceError);
      assert.match(error.message, expected);
      return true;
    });
  }
});

Deno.test("a witness that is down, silent or undecided is no contradiction, and its address is not repeated", async () => {
  const isDown = (error: unknown) =>
    error instanceof PlaceError && error.isDown && !/127|http/.test(error.message);
  await assert.rejects(placeAt("http://127.0.0.1:1/secret").push(log.checkpoint(9), 0, SIGNAL), isDown);
  await using failing = placeServer(() => new Response("", { status: 503 }));
  await assert.rejects(placeAt(failing.url).push(log.checkpoint(9), 0, SIGNAL), isDown);
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using silent = placeServer(() => promise);
  await assert.rejects(placeAt(silent.url, { timeoutMs: 100 }).push(log.checkpoint(9), 0, SIGNAL), isDown);
  resolve(new Response(""));
  await using undecided = placeServer((_, number) => sizeAnswer(number));
  await assert.rejects(
    placeAt(undecided.url).push(log.checkpoint(9), 0, SIGNAL),
    /another size each of 3 times/,
  );
});

Deno.test("a stored tree that does not lead to its checkpoint is not shown to a witness", async () => {
  await using server = placeServer(() => new Response("", { status: 422 }));
  const { tree } = smallLog("another");
  await assert.rejects(
    placeAt(server.url, { tree }).push(log.checkpoint(9), 4, SIGNAL),
    /does not lead to its own/,
  );
  assert.equal(server.calls.length, 0);
});

Deno.test("the key of a witness is of type 4", () => {
  const ofLog = formatVerifierKey(ORIGIN, log.key);
  assert.throws(() => placeAt("http://127.0.0.1:1", { publicKey: ofLog }), /witness \(type 4\), got type 1/);
  assert.throws(() => placeAt("http://127.0.0.1:1", { publicKey: "w+00000000+x" }), NoteError);
});
