import assert from "node:assert/strict";
import { Hono } from "hono";
import { fixtureLog } from "../audit/export/export_fixture.ts";
import { type AuditLog, auditRoutes } from "./audit.ts";
import type { AdminEnvironment, AdminVariables } from "./environment.ts";

const EVENTS = 150;

Deno.test("GET /audit/events ends a page of long events early, and goes on to the last", async () => {
  const long = JSON.stringify({ message: "x".repeat(59_000) });
  const { source } = await fixtureLog("acme", Array.from({ length: EVENTS }, () => long));
  const log = { reader: { ...source, privateOf: () => Promise.resolve([]) } };
  const environment = { tenantExists: () => Promise.resolve(true) };
  const app = new Hono<AdminVariables>();
  app.use(async (context, next) => {
    context.set("operator", { id: "op", how: "token", role: "auditor", tenants: ["acme"] });
    await next();
  });
  const [{ spec, handler } = assert.fail()] = auditRoutes(
    environment as unknown as AdminEnvironment,
    log as unknown as AuditLog,
  );
  app.get(spec.path, handler);
  const seen: number[] = [];
  for (let after: number | null = 0; after !== null;) {
    const response = await app.request(`/audit/events?tenant=acme&limit=1000&after=${after}`);
    const text = await response.text();
    assert.ok(text.length < 2_300_000, `${text.length} characters`);
    const { events, next_after } = JSON.parse(text) as {
      readonly events: readonly { readonly seq: number }[];
      readonly next_after: number | null;
    };
    seen.push(...events.map(({ seq }) => seq));
    after = next_after;
  }
  assert.deepEqual(seen, Array.from({ length: EVENTS }, (_, at) => at + 1));
});
