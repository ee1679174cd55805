/** What `deno task bench` found, as the tables of `docs/reference/performance.md`. */
import { cpus, loadavg } from "node:os";
import type { CostLine } from "./decision_cost.ts";
import type { ListCost } from "./list_cost.ts";
import type { LoadRow } from "./gateway_load.ts";

const PAGE = new URL("../../docs/reference/performance.md", import.meta.url);
const BEGIN = "<!-- figures: written by `deno task bench --markdown` -->";
const END = "<!-- end of figures -->";

/** When and where it was measured. */
export function surroundings(seconds: number): string {
  const cores = cpus();
  const [load = 0] = loadavg();
  return [
    `- ${new Date().toISOString().slice(0, 10)}, Deno ${Deno.version.deno}, Linux ${Deno.osRelease()}`,
    `- ${cores.length} cores of ${cores[0]?.model ?? "an unknown CPU"}; load average ${
      load.toFixed(1)
    } at the end`,
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

/** Puts the figures between their marks in the page. */
export async function writePage(figures: string): Promise<void> {
  const text = await Deno.readTextFile(PAGE);
  const [before, rest] = text.split(BEGIN, 2);
  const after = rest?.split(END, 2)[1];
  if (before === undefined || after === undefined) {
    throw new Error(`Cannot write ${PAGE.pathname}: expected "${BEGIN}" and "${END}" in it`);
  }
  await Deno.writeTextFile(PAGE, `${before}${BEGIN}\n\n${figures}\n\n${END}${after}`);
}

function table(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(names), line(names.map(() => "---")), ...rows.map(line)].join("\n");
}
