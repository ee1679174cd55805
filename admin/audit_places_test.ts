import assert from "node:assert/strict";
import { adminApi } from "./app_fixture.ts";

Deno.test("every configured place says what it has of a chain, how much it lacks, and what went wrong", async () => {
  const { ask, send, operator } = await adminApi();
  const answer = await (await ask("/audit/places?tenant=acme")).json();
  assert.deepEqual(answer, {
    ...{ tenant: "acme", signed: 10 },
    places: [{
      ...{ name: "lite", type: "witness", size: 8, pushed_at: 1_699_999_990, lag: { events: 2, seconds: 8 } },
      ...{ failures: 2, last_error: "It answered 503", failed_at: 1_699_999_995 },
      conflict: { code: "rolled_back", size: 12 },
    }, {
      ...{ name: "hook", type: "webhook", size: null, pushed_at: null, lag: { events: 10, seconds: 99 } },
      ...{ failures: 0, last_error: null, failed_at: null, conflict: null },
    }],
  });
  const token = await operator("eve", "auditor", ["acme"]);
  assert.equal((await send("/audit/places?tenant=acme", { token })).status, 200);
  for (const tenant of ["default", "~installation"]) {
    assert.equal((await send(`/audit/places?tenant=${tenant}`, { token })).status, 404, tenant);
  }
});
