import assert from "node:assert/strict";
import { checkpointPlaces } from "./checkpoint_places.ts";

const KEY = "witness.example/one+79a0197a+BOQoGUI4SVctWxN4KAPAJ6LFR/SufZqNjL2vwEaGPSZG";
const witness = { type: "witness", name: "w", url: "https://witness.example/", public_key: KEY };
const s3 = {
  ...{ type: "s3", name: "s", endpoint: "https://s3.example", bucket: "acme-audit" },
  ...{ access_key_id: { env: "A" }, secret_access_key: { file: "/run/b" } },
};
const webhook = { type: "webhook", name: "h", url: "https://auditor.example/x?y=z", secret: { env: "H" } };
const file = { type: "file", name: "f", path: "/mnt/worm" };

Deno.test("checkpoint places of every type are taken, with defaults that lock and rarely push", () => {
  const parsed = checkpointPlaces.parse([witness, s3, webhook, file]);
  assert.deepEqual(parsed.map(({ interval_seconds: seconds }) => seconds), [10, 900, 60, 60]);
  const [, bucket] = parsed;
  assert.ok(bucket?.type === "s3");
  assert.deepEqual([bucket.mode, bucket.retention_days, bucket.prefix], ["COMPLIANCE", 3650, "intentgate/"]);
  for (const url of ["http://127.0.0.1:1/", "http://localhost/x", "http://[::1]:7380"]) {
    assert.ok(checkpointPlaces.safeParse([{ ...witness, url }]).success, url);
  }
});

Deno.test("what cannot be a place, or could send a secret in clear, is refused", () => {
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ ...witness, url: "http://witness.example/" }, /https:\/\//],
    [{ ...s3, endpoint: "http://10.0.0.1:9000" }, /https:\/\//],
    [{ ...webhook, url: "https://user:password@auditor.example/" }, /without user/],
    [{ ...webhook, url: "https://auditor.example/#x" }, /fragment/],
    [{ ...webhook, url: "ftp://auditor.example/" }, /url/i],
    [{ ...webhook, secret: "whsec_x" }, /expected object/],
    [{ ...s3, secret_access_key: { value: "x" } }, /nrecognized/],
    [{ ...s3, prefix: "/a/" }, /segments/],
    [{ ...s3, prefix: "a/../b/" }, /segments/],
    [{ ...s3, prefix: "a" }, /segments/],
    [{ ...s3, bucket: "a/b" }, /bucket/],
    [{ ...s3, mode: "compliance" }, /COMPLIANCE/],
    [{ ...witness, public_key: "witness.example/one" }, /verifier key/],
    [{ ...witness, name: "W" }, /a name matches/],
    [{ ...file, path: "" }, /path|>=1|small/i],
    [{ ...file, paht: "/x" }, /nrecognized/],
    [{ type: "ftp", name: "x" }, /type|discriminator/i],
  ];
  for (const [place, message] of wrong) {
    const parsed = checkpointPlaces.safeParse([place]);
    assert.equal(parsed.success, false, JSON.stringify(place));
    assert.match(JSON.stringify(parsed.error?.issues), message, JSON.stringify(place));
  }
  assert.match(String(checkpointPlaces.safeParse([witness, { ...file, name: "w" }]).error), /two places/);
  const many = Array.from({ length: 17 }, (_, at) => ({ ...file, name: `f${at}` }));
  assert.equal(checkpointPlaces.safeParse(many).success, false);
});
