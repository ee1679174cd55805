import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { canonicalJson } from "../core/canonical_json.ts";
import { honestEvents } from "./export/export_fixture.ts";
import { formatVerifierKey, parseVerifierKey } from "./signed_note.ts";
import type { HeldElsewhere } from "./signed_points.ts";
import { CHAIN, checkpointOf, type Image, imageOf, KEY, ORIGIN, verify } from "./verify_fixture.ts";

/** What `ORIGIN` is called after `log_origin` was changed. */
const NEW_NAME = `new.example/${CHAIN}`;
const TEXTS = honestEvents(CHAIN, 300).map(canonicalJson);
const SIZE = TEXTS.length;

const verifyRenamed = (image: Image, held: HeldElsewhere = {}) =>
  verify(image, {
    ...{ origin: NEW_NAME, keys: [parseVerifierKey(formatVerifierKey(NEW_NAME, KEY))] },
    held: () => Promise.resolve(held),
  });

Deno.test("verifyChain() calls a whole chain unproven, not broken, until it is signed under the log's new name", async () => {
  const held = [
    {},
    ...[100, 300, SIZE].map((size) => ({ note: checkpointOf(TEXTS, size, KEY, NEW_NAME).note })),
  ];
  for (const signed of [0, 1, 256, SIZE]) {
    for (const kept of held) {
      const { verdict, reason, events, checkpoint, verifiedTo } = await verifyRenamed(
        await imageOf(TEXTS, signed),
        kept,
      );
      assert.deepEqual([verdict, events, checkpoint, verifiedTo], ["unproven", SIZE, undefined, undefined]);
      assert.equal(reason, "no checkpoint has been signed under this name of the log yet");
    }
  }
  const image = { ...await imageOf(TEXTS, SIZE), earlier: [checkpointOf(TEXTS, 200)] };
  const signed = { ...image, checkpoint: checkpointOf(TEXTS, SIZE, KEY, NEW_NAME) };
  assert.equal((await verifyRenamed(signed)).verdict, "verified");
});

Deno.test("verifyChain() holds a chain against what was signed under the log's old name", async () => {
  const honest = await imageOf(TEXTS, SIZE);
  const shorter = await imageOf(TEXTS.slice(0, 200), 200);
  const other = await imageOf(honestEvents(CHAIN, 300, 77).map(canonicalJson), SIZE);
  const rows = honest.rows.filter(({ seq }) => seq !== 5);
  const cheats: Readonly<Record<string, Image>> = {
    "newest events deleted": { ...shorter, checkpoint: honest.checkpoint },
    "another history": { ...other, checkpoint: honest.checkpoint },
    "an event deleted": { ...honest, rows },
  };
  for (const [name, image] of Object.entries(cheats)) {
    assert.equal((await verifyRenamed(image)).verdict, "broken", name);
  }
  const { broken } = await verifyRenamed(cheats["newest events deleted"]!);
  assert.equal(broken?.expected, `${SIZE} events, as signed under the name "${ORIGIN}"`);
  const kept = { note: checkpointOf(TEXTS, SIZE, KEY, NEW_NAME).note };
  assert.equal((await verifyRenamed({ ...shorter }, kept)).broken?.what, "missing");
  const conflict = { code: "forked", size: 9 } as const;
  assert.equal((await verifyRenamed(honest, { conflict })).broken?.what, "checkpoint");
});

Deno.test("verifyChain() takes nothing for a checkpoint under an old name that the log's own keys did not sign of this chain", async () => {
  const honest = await imageOf(TEXTS, SIZE);
  const signed = checkpointOf(TEXTS, SIZE);
  const stranger = generateKeyPairSync("ed25519").privateKey;
  const wrong = {
    "a stranger's key": checkpointOf(TEXTS, SIZE, stranger),
    "another chain": checkpointOf(TEXTS, SIZE, KEY, "gateway.example/globex"),
    "a chain whose name ends alike": checkpointOf(TEXTS, SIZE, KEY, `gateway.example/x${CHAIN}`),
    "other columns": { ...signed, size: SIZE - 1 },
    "a name that is none": { ...signed, note: signed.note.replaceAll("gateway.example", "a+b") },
    "a name that was put over it": {
      ...signed,
      note: signed.note.replaceAll("gateway.example", "old.example"),
    },
    "no note": { ...signed, note: "" },
  };
  for (const [name, checkpoint] of Object.entries(wrong)) {
    const { verdict, broken } = await verifyRenamed({ ...honest, checkpoint });
    assert.deepEqual([verdict, broken?.what], ["broken", "signature"], name);
  }
});
