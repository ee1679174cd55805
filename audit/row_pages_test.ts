import assert from "node:assert/strict";
import type { AuditRow } from "../core/audit_entry.ts";
import { rowPages } from "./row_pages.ts";

const LAST = 95;

/** A chain whose pages come late and out of order, at most `most` rows at once. */
function lateReader(most: number, failsAfter = Infinity) {
  const state = { reading: 0, mostReading: 0, asked: [] as number[] };
  return {
    state,
    read: async (_: string, after: number, limit: number): Promise<readonly AuditRow[]> => {
      state.asked.push(after);
      state.mostReading = Math.max(state.mostReading, ++state.reading);
      await new Promise((resolve) => setTimeout(resolve, (after * 7) % 5));
      state.reading--;
      if (after >= failsAfter) throw new Error(`no page after ${after}`);
      const count = Math.max(0, Math.min(limit, most, LAST - after));
      return Array.from({ length: count }, (_, at) => ({ seq: after + at + 1, canonical: "{}", hash: "" }));
    },
  };
}

const order = { chain: "acme", after: 0, last: LAST, pageEvents: 10, ahead: 2 };

async function seqsOf(pages: AsyncGenerator<readonly AuditRow[]>): Promise<number[]> {
  return (await Array.fromAsync(pages)).flatMap((rows) => rows.map(({ seq }) => seq));
}

Deno.test("rowPages() gives every event once and in order, also when pages are shorter than asked for", async () => {
  for (const most of [10, 9, 1]) {
    for (const after of [0, 40, 94, 95]) {
      const { read, state } = lateReader(most);
      const expected = Array.from({ length: LAST - after }, (_, at) => after + at + 1);
      assert.deepEqual(await seqsOf(rowPages({ read }, { ...order, after })), expected);
      assert.equal(state.reading, 0);
    }
  }
});

Deno.test("rowPages() reads so many pages ahead, each once", async () => {
  for (const ahead of [1, 2, 3]) {
    const { read, state } = lateReader(10);
    await seqsOf(rowPages({ read }, { ...order, ahead }));
    assert.equal(state.mostReading, ahead);
    assert.deepEqual(state.asked, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
  }
});

Deno.test("rowPages() ends where no more events are, when aborted, and when it is left; then nothing reads on", async () => {
  const beyond = lateReader(10);
  assert.equal((await seqsOf(rowPages(beyond, { ...order, last: 200 }))).length, LAST);
  const aborter = new AbortController();
  const aborted = lateReader(10);
  const seen: number[] = [];
  for await (const rows of rowPages(aborted, { ...order, signal: aborter.signal })) {
    seen.push(rows.length);
    if (seen.length === 3) aborter.abort();
  }
  const left = lateReader(10);
  for await (const _ of rowPages(left, order)) break;
  assert.deepEqual([seen.length, aborted.state.reading, left.state.reading], [3, 0, 0]);
  assert.ok(aborted.state.asked.length <= 6 && left.state.asked.length <= 4);
});

Deno.test("rowPages() tells of a page that cannot be read when it is its turn", async () => {
  const { read, state } = lateReader(10, 50);
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const rows of rowPages({ read }, order)) seen.push(...rows.map(({ seq }) => seq));
  }, /no page after 50/);
  assert.deepEqual([seen.length, state.reading], [50, 0]);
});
