import assert from "node:assert/strict";
import { Hono } from "hono";
import { checkpointOf, KEY, ORIGIN } from "../audit/verify_fixture.ts";
import type { AuditRow } from "../core/audit_entry.ts";
import type { AuditLog } from "./audit.ts";
import { auditExportRoutes } from "./audit_export.ts";
import { type AdminEnvironment, type AdminVariables } from "./environment.ts";
import { createExportSlots, type ExportSlots } from "./export_slots.ts";
import { ProblemError } from "./problem.ts";

const PAGE_MS = 2;
const EVENTS = 3_000_000;

/** The route of the table, over a chain of which reading a page takes its time. */
function tableOver(canonical: string) {
  const slots = createExportSlots();
  const state = { pages: 0 };
  const oldest = async (_: string, { after }: { readonly after: number }): Promise<readonly AuditRow[]> => {
    state.pages++;
    await new Promise((resolve) => setTimeout(resolve, PAGE_MS));
    return Array.from({ length: 100 }, (_, at) => ({ seq: after + at + 1, hash: "00", canonical }));
  };
  const log = { reader: { head: () => Promise.resolve({ seq: EVENTS, hash: "00" }), oldest } };
  const app = appOver(log, slots);
  const ask = (query: string) => app.request(`/audit/events.csv?tenant=acme&${query}`);
  return { ask, slots, state };
}

/** The routes over what stands for the record; `refused` gets what they refuse. */
function appOver(log: unknown, slots: ExportSlots, refused: string[] = []) {
  const environment = {
    ...{ source: {}, nowMs: () => 0, newId: () => "e", settingsVersion: () => 1 },
    tenantExists: () => Promise.resolve(true),
    transact: (work: (tx: unknown) => Promise<unknown>) => work({}),
    appendIn: () => Promise.resolve([]),
  };
  const routes = auditExportRoutes(
    environment as unknown as AdminEnvironment,
    log as AuditLog,
    slots,
  );
  const app = new Hono<AdminVariables>();
  app.use(async (context, next) => {
    context.set("operator", { id: "op", how: "token", role: "auditor", tenants: ["acme"] });
    context.set("sourceIp", "127.0.0.1");
    await next();
  });
  app.onError((error, context) => {
    refused.push(
      error instanceof ProblemError ? `${error.problem.status} ${error.problem.detail}` : String(error),
    );
    return context.text("", 500);
  });
  for (const { spec, handler } of routes) app.get(spec.path, handler);
  return app;
}

Deno.test("GET /audit/events.csv stops reading when its reader goes, also where nothing fits the filter", async () => {
  const { ask, slots, state } = tableOver(JSON.stringify({ actor: { app_uid: "a" } }));
  for (let n = 0; n < 3; n++) {
    const reader = (await ask("agent=nobody")).body?.getReader() ?? assert.fail();
    await reader.read(); // the header
    const nothing = reader.read();
    await new Promise((resolve) => setTimeout(resolve, 10 * PAGE_MS));
    assert.equal(slots.taken(), 1);
    await reader.cancel();
    await nothing;
    const { pages } = state;
    assert.equal(slots.taken(), 0);
    await new Promise((resolve) => setTimeout(resolve, 10 * PAGE_MS));
    assert.equal(state.pages, pages, "nobody reads any more");
  }
  assert.ok(state.pages > 3 && state.pages < EVENTS / 100);
});

Deno.test("GET /audit/events.csv leaves half of the room to other tenants", async () => {
  const { ask, slots } = tableOver("{}");
  const open = [await ask("first=1"), await ask("first=2")];
  for (const id of ["b", "c"]) assert.ok(slots.take(id, "acme") !== undefined);
  assert.equal(slots.take("d", "acme"), undefined);
  assert.ok(slots.take("d", "globex") !== undefined);
  for (const { body } of open) await body?.cancel();
});

Deno.test("GET /audit/export waits for a checkpoint under the log's new name, and takes none of the old one", async () => {
  const state = { checkpoint: checkpointOf(["{}"], 1, KEY, "old.example/acme"), signs: 0 };
  const found = () => Promise.resolve(state.checkpoint);
  const log = {
    reader: { checkpointUpTo: found, latestCosigned: found },
    sign: () => Promise.resolve(void state.signs++),
    originOf: () => ORIGIN,
  };
  const ask = async (query: string) => {
    const refused: string[] = [];
    const app = appOver(log, createExportSlots(), refused);
    await app.request(`/audit/export?tenant=acme${query}`);
    return refused;
  };
  for (const query of ["", "&size=1", "&cosigned=1"]) {
    assert.deepEqual(await ask(query), [
      `422 The checkpoint of size 1 is one of a name that the log had before, not of "${ORIGIN}": wait until a newer one is signed`,
    ], query);
  }
  assert.equal(state.signs, 1);
  state.checkpoint = checkpointOf(["{}"], 1);
  assert.doesNotMatch((await ask("&size=1")).join(), /a name that the log had before/);
});
