import assert from "node:assert/strict";

/** Events so long that no longer ones are recorded; two parts of them have 118 MB. */
const EVENT_BYTES = 59_000;
const EVENTS = 2_000;
const EXPORTS = 4;
/** Kept bytes, a page as text and as bytes for each export, and what V8 has not yet collected. */
const MOST_GROWTH_BYTES = 200_000_000;

/** Runs in a process of its own, where nothing else takes memory: the greatest growth of its resident set. */
const PROGRAM = `
import { exportArchive } from "${new URL("./export_archive.ts", import.meta.url)}";
const line = JSON.stringify({ x: "y".repeat(${EVENT_BYTES}) });
const textOf = (seq) => line.slice(0, -10) + String(seq).padStart(8, "0") + '"}';
const source = {
  fullTile: () => Promise.resolve(new Uint8Array(8192)),
  tileRoots: (_chain, _level, from, to) => Promise.resolve(Array.from({ length: to - from }, () => new Uint8Array(32))),
  hashAt: () => Promise.resolve("0".repeat(64)),
  entries: (_chain, from, to) => Promise.resolve(Array.from({ length: to - from }, (_, at) => textOf(from + at + 1))),
  oldest: (_chain, { after, upTo }, _needles, limit, maxBytes) => {
    const length = Math.min(upTo - after, limit, Math.ceil(maxBytes / line.length));
    const rows = Array.from({ length }, (_, at) => ({ seq: after + at + 1, canonical: textOf(after + at + 1), hash: "" }));
    return Promise.resolve(rows);
  },
};
const order = {
  chain: "acme", origin: "o/acme", logId: "l", first: 1, last: ${EVENTS}, keys: [], witnessKeys: [], generator: "g",
  checkpoint: { size: ${EVENTS}, note: "n", signedAt: 1 },
};
const before = Deno.memoryUsage().rss;
let [most, bytes] = [0, 0];
await Promise.all(Array.from({ length: ${EXPORTS} }, async () => {
  for await (const chunk of exportArchive(source, order)) {
    bytes += chunk.length;
    most = Math.max(most, Deno.memoryUsage().rss - before);
    await new Promise((resolve) => setTimeout(resolve));
  }
}));
console.log(JSON.stringify({ most, bytes }));
`;

Deno.test("exportArchive() takes little memory, also for the longest events there are", async () => {
  const config = decodeURIComponent(new URL("../../deno.json", import.meta.url).pathname);
  const path = await Deno.makeTempFile({ suffix: ".js" });
  try {
    await Deno.writeTextFile(path, PROGRAM);
    const args = ["run", "-A", "--no-check", "--config", config, path];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const { most, bytes } = JSON.parse(new TextDecoder().decode(stdout));
    assert.ok(bytes > EXPORTS * EVENTS * EVENT_BYTES);
    assert.ok(most < MOST_GROWTH_BYTES, `${EXPORTS} exports took ${Math.round(most / 1e6)} MB`);
  } finally {
    await Deno.remove(path);
  }
});
