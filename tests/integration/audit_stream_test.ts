/** The stream of audit events of a real gateway: broken and resumed, read slowly, refused and ended. */
import assert from "node:assert/strict";
import { eventMessages } from "../../commands/event_messages.ts";
import { readExposition } from "../../telemetry/exposition_fixture.ts";
import { Agent } from "../agent.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { makeManyEvents } from "../many_events.ts";
import { createDatabaseTests } from "./databases.ts";
import { eventually, start } from "./gateways.ts";

const { test, testPostgres } = createDatabaseTests();

const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);

interface Received {
  readonly seq: number;
  readonly data: string;
}

async function open(
  gateway: GatewayProcess,
  query: string,
  { token, lastEventId }: { readonly token?: string; readonly lastEventId?: number } = {},
): Promise<Response> {
  const headers = {
    authorization: `Bearer ${token ?? await gateway.operatorToken()}`,
    ...(lastEventId === undefined ? {} : { "last-event-id": String(lastEventId) }),
  };
  return await fetch(`${gateway.adminUrl}/api/v1/audit/stream?${query}`, { headers });
}

/** Reads until there are so many events, then goes without a word. */
async function take(response: Response, count: number): Promise<Received[]> {
  assert.equal(response.status, 200);
  const found: Received[] = [];
  for await (const { id, data } of eventMessages(response.body ?? assert.fail())) {
    if (data !== "") found.push({ seq: Number(id), data });
    if (found.length >= count) break;
  }
  return found;
}

async function auditorOf(gateway: GatewayProcess, tenant: string): Promise<string> {
  const body = { id: `auditor-${tenant}`, role: "auditor", tenants: [tenant], ttl_seconds: 600 };
  return (await (await gateway.api("POST", "/api/v1/operators", body)).json()).token;
}

/** What the chain holds after an event, as `GET /audit/events` answers it. */
async function recorded(gateway: GatewayProcess, tenant: string, limit: number): Promise<Received[]> {
  const response = await gateway.api("GET", `/api/v1/audit/events?tenant=${tenant}&limit=${limit}`);
  const { events } = await response.json();
  return events.map(({ seq, event }: { seq: number; event: unknown }) => ({
    seq,
    data: JSON.stringify(event),
  }));
}

test("a reader that breaks off again and again under load misses no event and gets none twice", async (fixture) => {
  await using gateway = await start(fixture);
  const { token } = await gateway.mint({ tenant: "acme", agent: "invoice-bot", ttl_seconds: 600 });
  const agents = await Promise.all([1, 2, 3].map(() => Agent.connect(gateway.url, "acme", token)));
  const auditor = await auditorOf(gateway, "acme");
  const load = { goesOn: true };
  const calling = agents.map(async (agent) => {
    while (load.goesOn) await agent.call("list_invoices", {});
  });
  const found: Received[] = [];
  try {
    for (let breaks = 0; breaks < 12; breaks++) {
      const lastEventId = found.at(-1)?.seq ?? 0;
      const response = await open(gateway, "tenant=acme", { token: auditor, lastEventId });
      found.push(...await take(response, 1 + (breaks * 7) % 23));
    }
  } finally {
    load.goesOn = false;
    await Promise.all(calling);
  }
  assert.ok(found.length > 100, `${found.length} events`);
  assert.deepEqual(found, await recorded(gateway, "acme", found.length));
});

test("nobody follows or searches the record of another tenant, and each stream holds its own", async (fixture) => {
  await using gateway = await start(fixture);
  assert.equal((await gateway.api("POST", "/api/v1/tenants", { name: "other" })).status, 201);
  const auditor = await auditorOf(gateway, "other");
  for (const chain of ["acme", "nothere", "~installation", "~unverified"]) {
    for (const route of ["stream", "search"]) {
      const response = await fetch(`${gateway.adminUrl}/api/v1/audit/${route}?tenant=${chain}`, {
        headers: { authorization: `Bearer ${auditor}` },
      });
      assert.equal(response.status, 404, `${route} of ${chain}`);
      await response.body?.cancel();
    }
  }
  const own = take(await open(gateway, "tenant=other&after=0", { token: auditor }), 2);
  await gateway.mint({ tenant: "acme", agent: "a", ttl_seconds: 60 });
  await gateway.mint({ tenant: "other", agent: "b", ttl_seconds: 60 });
  const codes = (await own).map(({ data }) => JSON.parse(data).metadata);
  assert.deepEqual(codes.map(({ tenant_uid }) => tenant_uid), ["other", "other"]);
  assert.deepEqual(codes.map(({ event_code }) => event_code), ["tenant.created", "token.minted"]);
  const everybody = await open(gateway, "tenant=~installation&after=0&event_code=operator.created");
  assert.equal(JSON.parse((await take(everybody, 1))[0]?.data ?? "").entity.uid, "auditor-other");
});

test("the commands find events and follow them; a stream ends when the gateway stops", async (fixture) => {
  const gateway = await start(fixture);
  const { token } = await gateway.mint({ tenant: "acme", agent: "invoice-bot", ttl_seconds: 600 });
  const env = {
    INTENTGATE_URL: gateway.adminUrl,
    INTENTGATE_OPERATOR_TOKEN: await auditorOf(gateway, "acme"),
  };
  const command = (...args: readonly string[]) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`, "audit", ...args],
      ...{ env, stdout: "piped", stderr: "piped" },
    });
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const tail = command("tail", "--tenant", "acme", "--after", "0", "--agent", "invoice-bot", "--limit", "2")
    .output();
  const agent = await Agent.connect(gateway.url, "acme", token);
  await agent.call("list_invoices", {});
  const followed = await tail;
  assert.equal(followed.code, 0, text(followed.stderr));
  const lines = text(followed.stdout).trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => line.split("  ")[2]), ["call.decided", "call.ended"]);
  const found = await command("search", "--tenant", "acme", "--tool", "list_invoices", "--json").output();
  const { events, next_after } = JSON.parse(text(found.stdout));
  assert.deepEqual(
    [
      ...events.map(({ event }: { event: { metadata: { event_code: string } } }) =>
        event.metadata.event_code
      ),
      next_after,
    ],
    ["call.ended", "call.decided", null],
  );
  const response = await open(gateway, "tenant=acme");
  const ended = take(response, 1);
  const stopping = performance.now();
  assert.equal(await gateway.stop(), 0);
  assert.deepEqual(await ended, [], "ended as a whole, without an event");
  assert.ok(performance.now() - stopping < 10_000);
});

testPostgres(
  "readers that take nothing hold no more than a page each, and nobody else up",
  async (fixture) => {
    await fixture.migrated();
    await makeManyEvents((await fixture.owner()).sql, "default", 60_000); // about 100 MB
    await using gateway = await start(fixture);
    const residentBytes = async () => {
      const families = readExposition(await (await fetch(`${gateway.url}/metrics`)).text());
      return families.get("process_resident_memory_bytes")?.samples[0]?.value ?? assert.fail();
    };
    await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 60 });
    const before = await residentBytes();
    const token = await gateway.operatorToken();
    const { hostname, port } = new URL(gateway.adminUrl);
    const stuck = await Promise.all([1, 2, 3].map(async () => {
      const connection = await Deno.connect({ hostname, port: Number(port) });
      const head = ["GET /api/v1/audit/stream?tenant=default&after=0 HTTP/1.1", `Host: ${hostname}:${port}`];
      await connection.write(
        new TextEncoder().encode(`${head.join("\r\n")}\r\nAuthorization: Bearer ${token}\r\n\r\n`),
      );
      return connection;
    }));
    const reading = await take(await open(gateway, "tenant=default&after=0"), 20_000);
    assert.deepEqual(
      reading.map(({ seq }) => seq),
      Array.from({ length: reading.length }, (_, at) => at + 1),
    );
    const families = readExposition(await (await fetch(`${gateway.url}/metrics`)).text());
    assert.ok(
      (families.get("intentgate_audit_streams")?.samples[0]?.value ?? 0) >= 3,
      "they are still there",
    );
    const grown = (await residentBytes() - before) / 2 ** 20;
    assert.ok(grown < 150, `${grown.toFixed(0)} MiB more for three times 100 MB that nobody reads`);
    for (const connection of stuck) connection.close();
    await eventually(
      async () =>
        readExposition(await (await fetch(`${gateway.url}/metrics`)).text()).get("intentgate_audit_streams")
          ?.samples[0]?.value === 0,
      "the end of streams whose readers went",
      20_000,
    );
  },
);
