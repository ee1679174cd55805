/** Searches a chain of very many events, and looks at what the database does for it. */
import assert from "node:assert/strict";
import type postgres from "postgres";
import type { EventTerms } from "../audit/event_terms.ts";
import { createIndexer } from "../audit/search/indexer.ts";
import { searchEvents, type SearchResult } from "../audit/search/search_events.ts";
import { createAuditSearch } from "../store/audit_search.ts";
import type { Database } from "../store/database.ts";
import { decisionIdSql, makeManyEvents, MANY, RARE_AGENT, rareCalls } from "./many_events.ts";

/** One kind of search, with how many events it finds at most in a page of 100. */
interface SearchCase {
  readonly name: string;
  readonly asked: EventTerms;
  readonly before?: number;
  readonly finds: number;
}

/** What a plan of PostgreSQL says, as far as it is looked at. */
interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Shared Hit Blocks": number;
  readonly "Shared Read Blocks": number;
  readonly Plans?: readonly Plan[];
}

/** What one case took. */
export interface Measured {
  readonly name: string;
  readonly found: number;
  readonly statements: number;
  /** Pages of 8 KiB that all statements touched. */
  readonly pages: number;
  /** Time inside the database, all statements; of the rounds the 95th percentile. */
  readonly databaseP95Ms: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

const TABLES = ["audit_events", "audit_search_terms", "audit_search_segments", "audit_heads"];
/** One row of some 60 bytes for each chain, and for each 4,096 events: reading all of it is no more than a few pages. */
const SMALL_TABLES = ["audit_heads", "audit_search_segments"];
const PAGE = 100;
const ROUNDS = 20;

/** Fills the chain `default`, indexes it with the real indexer, leaving a tail; says how long each took. */
export async function prepare(owner: Database, database: Database, events: number) {
  const started = performance.now();
  await makeManyEvents(owner.sql, "default", events);
  const made = performance.now();
  const tables = createAuditSearch(database);
  const indexer = createIndexer({
    store: { ...tables, lead: () => tables.lead("replica", 30) },
    ...{ onError: (error) => assert.fail(String(error)), steadyMs: () => performance.now(), pausePerMs: 0 },
  });
  await indexer.indexAll();
  const indexed = performance.now();
  await owner.sql.unsafe("ANALYZE audit_search_terms; ANALYZE audit_search_segments; ANALYZE audit_heads");
  return { makeSeconds: (made - started) / 1000, indexSeconds: (indexed - made) / 1000 };
}

/** Selective, unselective, combined and empty searches, at both ends of time. */
export async function searchCases(owner: Database, events: number): Promise<readonly SearchCase[]> {
  const [row] = await owner.sql.unsafe(`
    SELECT ${decisionIdSql} AS decision, encode(sha256('block 7 3'::bytea), 'hex') AS block FROM (SELECT 77 AS k) AS one`);
  const rare = rareCalls(events);
  const rareAllows = rare.filter((call) => call % 20 !== 7 && call % 10 !== 3);
  const start = Math.floor(MANY.startMs / 1000);
  return [
    { name: "nothing asked", asked: {}, finds: PAGE },
    { name: "nothing asked, from the middle", asked: {}, before: events / 2, finds: PAGE },
    { name: "rare agent", asked: { agent: RARE_AGENT }, finds: rare.length * 2 },
    {
      name: "rare agent and unselective decision",
      asked: { agent: RARE_AGENT, decision: "allow" },
      finds: rareAllows.length,
    },
    { name: "unknown agent", asked: { agent: "nobody" }, finds: 0 },
    { name: "unselective decision", asked: { decision: "allow" }, finds: PAGE },
    { name: "agent", asked: { agent: "agent-7" }, finds: PAGE },
    { name: "agent and tool", asked: { agent: "agent-7", tool: "tool_3" }, finds: PAGE },
    { name: "check and code", asked: { check: "policy", code: "not_covered" }, finds: PAGE },
    { name: "kind of event", asked: { event_code: "call.ended" }, finds: PAGE },
    { name: "block id", asked: { block_id: String(row?.block) }, finds: PAGE },
    { name: "decision id", asked: { decision_id: String(row?.decision) }, finds: 2 },
    {
      name: "four terms that never meet",
      asked: { agent: "agent-7", upstream: "upstream-1", decision: "block", code: "approval_required" },
      finds: 0,
    },
    { name: "the first minute", asked: { from_time: start, to_time: start + 60 }, finds: PAGE },
    {
      name: "agent in the first minute",
      asked: { agent: "agent-7", from_time: start, to_time: start + 60 },
      finds: 10,
    },
    { name: "before all time", asked: { to_time: start }, finds: 0 },
  ];
}

/** Runs one search again and again, and once with the plan of each of its statements. */
export async function measure(database: Database, one: SearchCase): Promise<Measured> {
  const run = async (of: Database): Promise<SearchResult> =>
    await searchEvents(createAuditSearch(of), {
      ...{ chain: "default", asked: one.asked, before: one.before, limit: PAGE, isLate: () => false },
    });
  const [times, databaseTimes]: [number[], number[]] = [[], []];
  let found = 0;
  let plans: (Explained & { readonly text: string })[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    found = (await run(database)).events.length;
    times.push(performance.now() - started);
    plans = [];
    await run(explaining(database, (text, plan) => plans.push({ ...plan, text })));
    databaseTimes.push(plans.reduce((sum, plan) => sum + plan["Execution Time"], 0));
  }
  for (const { Plan, text } of plans) refuseScans(Plan, `${one.name}: ${text}`);
  assert.equal(found, one.finds, one.name);
  return {
    ...{ name: one.name, found, statements: plans.length },
    pages: plans.reduce((sum, { Plan }) => sum + Plan["Shared Hit Blocks"] + Plan["Shared Read Blocks"], 0),
    databaseP95Ms: percentile(databaseTimes, 0.95),
    ...{ p50Ms: percentile(times, 0.5), p95Ms: percentile(times, 0.95) },
  };
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((left, right) => left - right)[Math.ceil(values.length * share) - 1] ?? 0;
}

/** A table that is read from its beginning to its end. */
function refuseScans(plan: Plan, where: string): void {
  const table = plan["Relation Name"] ?? "";
  if (plan["Node Type"].includes("Seq Scan") && TABLES.includes(table)) {
    assert.ok(SMALL_TABLES.includes(table), `"${table}" is read as a whole: ${where}`);
  }
  for (const inner of plan.Plans ?? []) refuseScans(inner, where);
}

type Explained = { readonly Plan: Plan; readonly "Execution Time": number };

/** The same database, as the same role: what is read is explained too. */
function explaining(database: Database, onPlan: (text: string, plan: Explained) => void): Database {
  return {
    ...database,
    read: (tenants, query) =>
      database.read(tenants, async (sql) => {
        const tag = (
          strings: TemplateStringsArray,
          ...values: readonly postgres.SerializableParameter[]
        ) => {
          const [first = "", ...rest] = strings;
          const explained = [`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${first}`, ...rest];
          return sql(Object.assign(explained, { raw: explained }) as TemplateStringsArray, ...values)
            .then(([row]) => onPlan(strings.join("?"), row?.["QUERY PLAN"][0]));
        };
        await query(tag as unknown as postgres.TransactionSql);
        return await query(sql);
      }),
  };
}

/** The figures as lines of text. */
export function tableOf(rows: readonly Measured[]): string {
  const line = (cells: readonly string[]) =>
    cells.map((cell, at) => at === 0 ? cell.padEnd(40) : cell.padStart(12));
  return [
    line(["search", "found", "statements", "pages", "db p95 ms", "p50 ms", "p95 ms"]),
    ...rows.map(({ name, found, statements, pages, databaseP95Ms, p50Ms, p95Ms }) =>
      line([
        ...[name, String(found), String(statements), String(pages)],
        ...[databaseP95Ms, p50Ms, p95Ms].map((ms) => ms.toFixed(1)),
      ])
    ),
  ].map((cells) => cells.join("")).join("\n");
}
