import assert from "node:assert/strict";
import type { Principal } from "./call.ts";
import type { JsonValue } from "./json.ts";
import { principalFacts, principalOf } from "./principal.ts";

const principal: Principal = {
  tenant: "acme",
  agent: "invoice-agent",
  blockIds: ["root", "child"],
  delegates: ["report-writer"],
  jti: "AAECAwQFBgcICQoLDA0ODw",
  issuedAt: 1,
  expiresAt: 2,
};

Deno.test("principalOf() reads what principalFacts() wrote, and ignores what stands beside it", () => {
  assert.deepEqual(
    principalOf({ principal: { ...principalFacts(principal), named_exactly: true } }),
    principal,
  );
  assert.equal(principalFacts(principal).root_block_id, "root");
});

Deno.test("principalOf() knows nobody when any part is missing or of another type", () => {
  assert.equal(principalOf({}), undefined);
  const facts = principalFacts(principal);
  const members = ["tenant", "agent", "block_ids", "delegates", "jti", "issued_at", "expires_at"];
  for (const member of members) {
    for (const value of [undefined, null, {}, [1]] as (JsonValue | undefined)[]) {
      assert.equal(principalOf({ principal: { ...facts, [member]: value } }), undefined, member);
    }
  }
  assert.equal(principalOf({ principal: { ...facts, block_ids: [] } }), undefined);
});
