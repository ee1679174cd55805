import assert from "node:assert/strict";
import fc from "fast-check";
import { parseLinkEventId, writeLinkEventId } from "./link_event_id.ts";

Deno.test("parseLinkEventId() reads what writeLinkEventId() writes", () => {
  const upstream = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/);
  const stream = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
  const number = fc.nat();
  fc.assert(
    fc.property(
      fc.record({ upstream, stream, number }, { requiredKeys: ["stream", "number"], noNullPrototype: true }),
      (id) => {
        assert.deepEqual(parseLinkEventId(writeLinkEventId(id)), id);
      },
    ),
  );
});

Deno.test("parseLinkEventId() takes nothing for an id that is none", () => {
  const foreign = [
    null,
    "",
    "7",
    "fs.s",
    "fs.s.",
    "fs.s.01",
    "fs.s.-1",
    "fs.s.1.2",
    ".s.1",
    "FS.s.1",
    "fs..1",
    "fs.s.1 ",
  ];
  for (const text of [...foreign, `fs.${"s".repeat(65)}.1`, `fs.s.${"9".repeat(16)}`, "fs.s.1\n"]) {
    assert.equal(parseLinkEventId(text), undefined, String(text));
  }
});
