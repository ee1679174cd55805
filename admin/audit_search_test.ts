import assert from "node:assert/strict";
import { adminApi } from "./app_fixture.ts";

Deno.test("GET /audit/search answers the newest first, page by page", async () => {
  const { ask, recorded } = await adminApi();
  const seqs: number[] = [];
  for (let after = ""; after !== "null";) {
    const response = await ask(`/audit/search?tenant=acme&limit=3${after === "" ? "" : `&after=${after}`}`);
    const page = await response.json();
    assert.deepEqual([page.tenant, page.indexed_to, response.status], ["acme", 0, 200]);
    for (const row of page.events) {
      seqs.push(row.seq);
      assert.equal(JSON.stringify(row.event), recorded[row.seq - 1]);
    }
    after = String(page.next_after);
  }
  assert.deepEqual(seqs, recorded.map((_, at) => at + 1).toReversed());
});

Deno.test("GET /audit/search takes every term, and refuses what it does not know", async () => {
  const { ask, recorded } = await adminApi();
  const found = async (query: string) =>
    (await (await ask(`/audit/search?tenant=acme&${query}`)).json()).events.map(({ seq }: { seq: number }) =>
      seq
    );
  const ended = recorded.flatMap((text, at) => text.includes('"call.ended"') ? [at + 1] : []).toReversed();
  assert.deepEqual(await found("event_code=call.ended"), ended);
  const ids = recorded.flatMap((text, at) => text.includes('"decision-0"') ? [at + 1] : []).toReversed();
  assert.deepEqual(await found("decision_id=decision-0"), ids);
  assert.deepEqual(
    await found("decision_id=decision-0&event_code=call.ended"),
    ids.filter((seq) => ended.includes(seq)),
  );
  assert.equal((await found("from_time=1700000000&to_time=1700000001")).length, recorded.length);
  for (const none of ["agent=x", "tool=x", "upstream=x", "check=x", "code=x", "block_id=x", "approval=x"]) {
    assert.deepEqual(await found(none), [], none);
  }
  for (
    const bad of ["decision=maybe", "limit=0", "limit=1001", "after=-1", "after=x", "agent=", "order=asc"]
  ) {
    assert.equal((await ask(`/audit/search?tenant=acme&${bad}`)).status, 400, bad);
  }
});
