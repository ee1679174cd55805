/**
 * `deno task bench`: what a call costs and how long it takes, and how fast the record is written and verified, in about
 * seven minutes. `--markdown` also writes the tables into `docs/reference/performance.md`; `--seconds=N` changes how long
 * each rate runs; `--only=audit` and `--only=calls` leave the other part out.
 */
import { loadavg } from "node:os";
import { measureRecord } from "./audit_record.ts";
import { type CostLine, measureDecision, measureParts } from "./decision_cost.ts";
import { type LoadRow, measureGateway, measureProxy, startProgram } from "./gateway_load.ts";
import { type ListCost, measureLists } from "./list_cost.ts";
import {
  costTable,
  listTable,
  loadTable,
  recordSurroundings,
  recordTable,
  surroundings,
  writePage,
  writeRecord,
} from "./report.ts";

const RATES = [500, 1_000, 2_000];
const DEFAULT_SECONDS = 12;
const COST = { rounds: 7, callsPerRound: 4_000 };
const LISTED_TOOLS = [1_000, 10_000];

async function main(): Promise<void> {
  const only = Deno.args.find((text) => text.startsWith("--only="))?.slice(7);
  if (only !== "calls") await auditRecord();
  if (only !== "audit") await calls();
}

async function auditRecord(): Promise<void> {
  const [loadBefore = 0] = loadavg();
  const figures = recordTable(await measureRecord());
  const page = `${recordSurroundings(loadBefore)}\n\n${figures}`;
  console.log(`${page}\n`);
  if (Deno.args.includes("--markdown")) await writeRecord(page);
}

async function calls(): Promise<void> {
  const seconds = Number(
    Deno.args.find((text) => text.startsWith("--seconds="))?.slice(10) ?? DEFAULT_SECONDS,
  );
  const lines = await decisionCost();
  console.log(costTable(lines));
  const lists: ListCost[] = [];
  for (const tools of LISTED_TOOLS) lists.push(await measureLists(tools, COST.rounds));
  console.log(listTable(lists));
  const upstream = await startProgram("bench_upstream.ts");
  const rows: LoadRow[] = [];
  const keep = (row: LoadRow) => {
    rows.push(row);
    console.log(loadTable([row]));
  };
  try {
    await measureProxy(upstream.firstLine, RATES, seconds, keep);
    for (const database of ["postgres", "embedded"] as const) {
      await measureGateway(database, upstream.firstLine, RATES, seconds, keep);
    }
  } finally {
    await upstream.stop();
  }
  const page = [surroundings(seconds), costTable(lines), listTable(lists), loadTable(rows)].join("\n\n");
  console.log(`\n${page}`);
  if (Deno.args.includes("--markdown")) await writePage(page);
}

async function decisionCost(): Promise<readonly CostLine[]> {
  const whole = await measureDecision(COST);
  const parts = await measureParts(COST);
  const sum = parts.reduce((total, { micros }) => total + micros, 0);
  return [
    ...parts,
    { what: "runner, recorder, promises, and all of it in colder caches", micros: whole - sum },
    { what: "**whole decision without database, upstream and HTTP**", micros: whole },
  ];
}

if (import.meta.main) {
  main().catch((error) => {
    console.error(error);
    Deno.exit(1);
  });
}
