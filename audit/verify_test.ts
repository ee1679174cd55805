import assert from "node:assert/strict";
import type { AuditRow } from "../core/audit_entry.ts";
import { genesisHash, hex, nextHash } from "./digest.ts";
import { verifyChain } from "./verify.ts";

const LOG = "log-1";

function honestRows(count: number, chain = "acme"): AuditRow[] {
  let hash = genesisHash(LOG, chain);
  return Array.from({ length: count }, (_, index) => {
    const canonical = `{"n":${index}}`;
    hash = nextHash(hash, canonical);
    return { seq: index + 1, canonical, hash: hex(hash) };
  });
}

function readerOf(rows: readonly AuditRow[], head = headOf(rows)) {
  return {
    head: () => Promise.resolve(head),
    read: (_chain: string, after: number, limit: number) =>
      Promise.resolve(rows.filter((row) => row.seq > after).slice(0, limit)),
  };
}

function headOf(rows: readonly AuditRow[]) {
  const last = rows.at(-1);
  return last === undefined
    ? { seq: 0, hash: hex(genesisHash(LOG, "acme")) }
    : { seq: last.seq, hash: last.hash };
}

Deno.test("verifyChain() verifies honest chains of every size around a page", async () => {
  for (const count of [0, 1, 2, 999, 1000, 1001, 2500]) {
    const report = await verifyChain(readerOf(honestRows(count)), LOG, "acme");
    assert.equal(report.verdict, "verified", `${count} events`);
    assert.equal(report.events, count);
  }
});

Deno.test("verifyChain() finds each kind of tampering and says where", async () => {
  const rows = honestRows(20);
  const head = headOf(rows);
  const changed = (index: number, change: Partial<AuditRow>) =>
    rows.map((row, at) => at === index ? { ...row, ...change } : row);
  const moved = honestRows(20, "other");
  const cases: [string, AuditRow[], typeof head, string, number][] = [
    ["one event changed", changed(9, { canonical: '{"n":99}' }), head, "hash", 10],
    ["one hash changed", changed(9, { hash: "00".repeat(32) }), head, "hash", 10],
    ["a hash blanked", changed(19, { hash: "" }), head, "hash", 20],
    ["the newest deleted", rows.slice(0, 15), head, "missing", 16],
    ["the oldest deleted", rows.slice(5), head, "missing", 1],
    ["one in the middle deleted", rows.filter((row) => row.seq !== 7), head, "missing", 7],
    ["all deleted", [], head, "missing", 1],
    ["another tenant's events", moved, headOf(moved), "hash", 1],
    [
      "two events swapped",
      changed(4, { canonical: rows[5]!.canonical }).map((row, at) =>
        at === 5 ? { ...row, canonical: rows[4]!.canonical } : row
      ),
      head,
      "hash",
      5,
    ],
    ["the head set back", rows, headOf(rows.slice(0, 10)), "extra", 11],
    ["the head's hash changed", rows, { seq: 20, hash: "11".repeat(32) }, "head", 20],
  ];
  for (const [what, tampered, withHead, kind, seq] of cases) {
    const report = await verifyChain(readerOf(tampered, withHead), LOG, "acme");
    assert.equal(report.verdict, "broken", what);
    assert.equal(report.broken?.what, kind, what);
    assert.equal(report.broken?.seq, seq, what);
  }
});

Deno.test("verifyChain() proves nothing for a chain that is not there, and breaks on events without a head", async () => {
  const none = { head: () => Promise.resolve(undefined), read: () => Promise.resolve([]) };
  assert.equal((await verifyChain(none, LOG, "acme")).verdict, "unproven");
  const headless = { ...readerOf(honestRows(3)), head: () => Promise.resolve(undefined) };
  assert.equal((await verifyChain(headless, LOG, "acme")).verdict, "broken");
});

Deno.test("verifyChain() does not accuse appends that happen meanwhile", async () => {
  const rows = honestRows(30);
  let asked = 0;
  const growing = {
    ...readerOf(rows),
    head: () => Promise.resolve(asked++ === 0 ? headOf(rows.slice(0, 20)) : headOf(rows)),
  };
  const report = await verifyChain(growing, LOG, "acme");
  assert.equal(report.verdict, "verified");
  assert.equal(report.events, 20);
});

Deno.test("verifyChain() answers unproven when its time is up", async () => {
  const report = await verifyChain(readerOf(honestRows(5)), LOG, "acme", AbortSignal.abort());
  assert.equal(report.verdict, "unproven");
});

Deno.test("verifyChain() notices another log id", async () => {
  assert.equal((await verifyChain(readerOf(honestRows(5)), "log-2", "acme")).verdict, "broken");
});
