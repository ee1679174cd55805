/** What `deno task bench` found, as the tables of `docs/reference/performance.md`. */
import { cpus, loadavg } from "node:os";
import type { RecordFigures } from "./audit_record.ts";
import type { SpeedFigures } from "./audit_speed.ts";
import type { CostLine } from "./decision_cost.ts";
import type { ListCost } from "./list_cost.ts";
import type { LoadRow } from "./gateway_load.ts";

const PAGE = new URL("../../docs/reference/performance.md", import.meta.url);
const BEGIN = "<!-- figures: written by `deno task bench --markdown` -->";
const END = "<!-- end of figures -->";
const BEGIN_RECORD = "<!-- record figures: written by `deno task bench --only=audit --markdown` -->";
const END_RECORD = "<!-- end of record figures -->";

/** When and where the record was measured; `loadBefore`: the load average before anything of it ran. */
export function recordSurroundings(loadBefore: number): string {
  const [load = 0] = loadavg();
  const others = loadBefore < 1
    ? "the machine was at rest before"
    : "others worked on the machine at the same time";
  const loads = `load average ${loadBefore.toFixed(1)} before, ${load.toFixed(1)} at the end`;
  return `${machine()}\n- ${loads}, of which about 2 are its own: ${others}`;
}

/** Appending, waiting and verifying. */
export function recordTable({ writers, appends, waits, verify }: RecordFigures): string {
  const row = (what: string, { events, seconds, cpuMicros, databaseMicros }: SpeedFigures) => [
    ...[what, String(events), seconds.toFixed(1), (events / seconds).toFixed(0)],
    ...[cpuMicros.toFixed(1), databaseMicros.toFixed(1)],
  ];
  const speed = table(
    ["what", "events", "seconds", "events a second", "CPU µs/event", "database CPU µs/event"],
    [row(`append to one tenant, ${writers} writers`, appends), row("verify from the first event", verify)],
  );
  const latency = table(
    ["allows a second", "p50 ms", "p95 ms", "p99 ms"],
    waits.map(({ ratePerSecond, p50Ms, p95Ms, p99Ms }) => [
      ...[String(ratePerSecond), p50Ms.toFixed(1), p95Ms.toFixed(1), p99Ms.toFixed(1)],
    ]),
  );
  return `${speed}\n\nWhat an allow waits until it is durable:\n\n${latency}`;
}

function machine(): string {
  const cores = cpus();
  return [
    `- ${new Date().toISOString().slice(0, 10)}, Deno ${Deno.version.deno}, Linux ${Deno.osRelease()}`,
    `- ${cores.length} cores of ${cores[0]?.model ?? "an unknown CPU"}`,
  ].join("\n");
}

/** When and where it was measured. */
export function surroundings(seconds: number): string {
  const [load = 0] = loadavg();
  return [
    `${machine()}; load average ${load.toFixed(1)} at the end`,
    `- load generator, upstream, gateway and database ran on this same machine; ${seconds} s per rate`,
  ].join("\n");
}

/** CPU per part of a decision. */
export function costTable(lines: readonly CostLine[]): string {
  return table(["part", "CPU µs"], lines.map(({ what, micros }) => [what, micros.toFixed(0)]));
}

/** CPU of deciding on lists. */
export function listTable(costs: readonly ListCost[]): string {
  return table(
    ["tools of a list", "CPU ms, first time", "CPU ms, again within 5 s"],
    costs.map(({ tools, coldMs, warmMs }) => [String(tools), coldMs.toFixed(1), warmMs.toFixed(1)]),
  );
}

/** Rates under load. */
export function loadTable(rows: readonly LoadRow[]): string {
  const names = [
    "program",
    "calls/s",
    "answered ok",
    "p50 ms",
    "p99 ms",
    "CPU µs/call",
    "database CPU µs/call",
  ];
  return table(
    [...names, "RSS MiB", "lost events"],
    rows.map((row) => [
      ...[row.program, String(row.ratePerSecond), `${(row.ok / row.offered * 100).toFixed(1)} %`],
      ...[row.p50Ms.toFixed(1), row.p99Ms.toFixed(1), row.cpuMicros.toFixed(0)],
      row.databaseMicros === undefined
        ? (row.program === "embedded" ? "included" : "–")
        : row.databaseMicros.toFixed(0),
      ...[row.residentMib.toFixed(0), row.lostEvents === undefined ? "–" : String(row.lostEvents)],
    ]),
  );
}

/** Puts the figures of calls between their marks in the page. */
export async function writePage(figures: string): Promise<void> {
  await writeBetween(BEGIN, END, figures);
}

/** Puts the figures of the record between theirs. */
export async function writeRecord(figures: string): Promise<void> {
  await writeBetween(BEGIN_RECORD, END_RECORD, figures);
}

async function writeBetween(begin: string, end: string, figures: string): Promise<void> {
  const text = await Deno.readTextFile(PAGE);
  const [before, rest] = text.split(begin, 2);
  const after = rest?.split(end, 2)[1];
  if (before === undefined || after === undefined) {
    throw new Error(`Cannot write ${PAGE.pathname}: expected "${begin}" and "${end}" in it`);
  }
  await Deno.writeTextFile(PAGE, `${before}${begin}\n\n${figures}\n\n${end}${after}`);
}

function table(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(names), line(names.map(() => "---")), ...rows.map(line)].join("\n");
}
