import assert from "node:assert/strict";
import fc from "fast-check";
import { upstreamName } from "../../core/config.ts";
import { readShownName, readShownUri, shownName, shownUri } from "./aggregate_names.ts";

const upstreams = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/).filter((name) =>
  upstreamName.safeParse(name).success
);

Deno.test("names of the aggregate endpoint read back as what they were made of", () => {
  fc.assert(fc.property(upstreams, fc.string(), (upstream, name) => {
    assert.deepEqual(readShownName(shownName(upstream, name)), { upstream, name });
    assert.deepEqual(readShownUri(shownUri(upstream, name)), { upstream, name });
  }));
});

Deno.test("a tool whose name begins with underscores belongs to its own upstream", () => {
  assert.deepEqual(readShownName("fs__" + "__hidden"), { upstream: "fs", name: "__hidden" });
  assert.deepEqual(readShownName("fs___x"), { upstream: "fs", name: "_x" });
});

Deno.test("texts that are no names of the aggregate endpoint are told from those that are", () => {
  for (const text of ["", "read", "fs_read", "__read"]) assert.equal(readShownName(text), undefined);
  for (const uri of ["", "file:///a", "intentgate://", "intentgate:///x", "intentgate://fs"]) {
    assert.equal(readShownUri(uri), undefined);
  }
});
