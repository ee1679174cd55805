import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { PlaceError } from "./place.ts";
import { placeServer, SIGNAL, smallLog } from "./places_fixture.ts";
import { parseWebhookSecret, webhookPlace } from "./webhook_place.ts";

const log = smallLog();
/** The example of the specification. */
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

function placeAt(url: string, nowMs = () => 1_674_087_231_000) {
  const secret = parseWebhookSecret(SECRET);
  assert.ok(secret !== undefined);
  return webhookPlace(
    { type: "webhook", name: "h", url, interval_seconds: 1, timeout_ms: 2_000, secret: { env: "X" } },
    { secret, nowMs },
  );
}

Deno.test("a webhook gets the checkpoint, signed over id, time and body, with one id for every try", async () => {
  await using server = placeServer((_, number) => new Response(null, { status: number === 1 ? 500 : 204 }));
  let nowMs = 1_674_087_231_000;
  const place = placeAt(`${server.url}/hook`, () => nowMs);
  const checkpoint = log.checkpoint(7);
  await assert.rejects(place.push(checkpoint, 0, SIGNAL), PlaceError);
  nowMs += 5_000;
  assert.deepEqual(await place.push(checkpoint, 0, SIGNAL), { kind: "taken" });
  await place.push(log.checkpoint(8), 7, SIGNAL);
  const [first, second, third] = server.calls;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const of = (call: typeof first, name: string) => call.headers.get(`webhook-${name}`);
  assert.equal(of(first, "id"), of(second, "id"));
  assert.notEqual(of(first, "id"), of(third, "id"));
  assert.deepEqual([of(first, "timestamp"), of(second, "timestamp")], ["1674087231", "1674087236"]);
  for (const call of server.calls) {
    const mac = createHmac("sha256", atobBytes(SECRET.slice(6)));
    mac.update(`${of(call, "id")}.${of(call, "timestamp")}.${call.body}`);
    assert.equal(of(call, "signature"), `v1,${mac.digest("base64")}`);
  }
  const { type, timestamp, data } = JSON.parse(second.body);
  assert.deepEqual([type, timestamp], ["checkpoint.signed", "2023-01-19T00:13:56.000Z"]);
  assert.deepEqual([data.tenant, data.size, data.checkpoint], ["default", 7, checkpoint.note]);
  assert.match(data.root, /^[0-9a-f]{64}$/);
});

Deno.test("a redirect of a webhook is not followed", async () => {
  await using other = placeServer(() => new Response(""));
  await using server = placeServer(() => new Response("", { status: 307, headers: { location: other.url } }));
  await assert.rejects(placeAt(server.url).push(log.checkpoint(1), 0, SIGNAL), /307, a redirect/);
  assert.equal(other.calls.length, 0);
});

Deno.test("parseWebhookSecret() takes 24 to 64 bytes after whsec_ and nothing else", () => {
  assert.equal(parseWebhookSecret(SECRET)?.length, 24);
  assert.equal(parseWebhookSecret(`whsec_${btoa("x".repeat(64))}`)?.length, 64);
  for (const text of [btoa("x".repeat(23)), btoa("x".repeat(65)), "", "!".repeat(40)]) {
    assert.equal(parseWebhookSecret(`whsec_${text}`), undefined, text);
  }
  assert.equal(parseWebhookSecret(SECRET.slice(6)), undefined);
  assert.equal(parseWebhookSecret(SECRET.replace("whsec_", "whsk_")), undefined);
});

function atobBytes(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}
