/** What tests of the whole gateway ask again and again. */
import assert from "node:assert/strict";
import { type GatewayOptions, type GatewayProcess, startGateway } from "../gateway_process.ts";
import type { DatabaseFixture } from "./databases.ts";

/** Starts a gateway on the fixture's database. */
export function start(fixture: DatabaseFixture, options?: GatewayOptions): Promise<GatewayProcess> {
  return startGateway({ ...options, ...urlsOf(fixture) });
}

/** Where its database is, with the role that serves and the one that migrates. */
export function urlsOf(
  { databaseUrl, migrationUrl }: DatabaseFixture,
): Pick<GatewayOptions, "databaseUrl" | "migrationUrl"> {
  return databaseUrl === undefined || migrationUrl === undefined ? {} : { databaseUrl, migrationUrl };
}

/** All events of a tenant's chain, oldest first. */
// deno-lint-ignore no-explicit-any
export async function events(gateway: GatewayProcess, tenant: string): Promise<any[]> {
  const found = [];
  for (let after: number | null = 0; after !== null;) {
    const query: string = `tenant=${tenant}&limit=1000&after=${after}`;
    const response = await gateway.api("GET", `/api/v1/audit/events?${query}`);
    const page = await response.json();
    if (response.status !== 200) throw new Error(`Cannot read events: ${JSON.stringify(page)}`);
    found.push(...page.events.map((row: { event: unknown }) => row.event));
    after = page.next_after;
  }
  return found;
}

/** The verdict on a tenant's chain. */
export async function verdict(gateway: GatewayProcess, tenant: string): Promise<string> {
  return (await (await gateway.api("GET", `/api/v1/audit/verify?tenant=${tenant}`)).json()).verdict;
}

/** Waits until something holds. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 5_000,
): Promise<void> {
  const until = Date.now() + timeoutMs;
  while (Date.now() < until) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`${what} did not happen within ${timeoutMs} ms`);
}

/** Waits until no record waits in the data folder for the database. */
export async function noLateRecords(gateway: GatewayProcess): Promise<void> {
  const left = async () => {
    const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    return /^intentgate_late_queue_events (\d+)$/m.exec(text)?.[1] ??
      assert.fail("no metric of late records");
  };
  await eventually(async () => await left() === "0", "the end of the late records", 30_000);
}
