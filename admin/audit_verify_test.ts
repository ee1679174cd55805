import assert from "node:assert/strict";
import { Hono } from "hono";
import { honestEvents, LOG_ID } from "../audit/export/export_fixture.ts";
import { formatVerifierKey } from "../audit/signed_note.ts";
import { CHAIN, imageOf, KEY, ORIGIN, readerOf } from "../audit/verify_fixture.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import type { AuditLog } from "./audit.ts";
import { auditVerifyRoute } from "./audit_verify.ts";
import type { AdminEnvironment, AdminVariables } from "./environment.ts";
import { createReaderSlots } from "./reader_slots.ts";

const TEXTS = honestEvents(CHAIN, 1_500).map(canonicalJson);
const STREAM = { headers: { accept: "text/event-stream" } };
const PATH = `/audit/verify?tenant=${CHAIN}`;

/** Short pages, so that there are many. */
const PAGE = 100;

/** The route over a chain whose pages take `pageMs` each. */
async function served(pageMs: number, most = 1) {
  const reader = readerOf(await imageOf(TEXTS, TEXTS.length));
  const state = { reads: 0, reading: 0 };
  const slow: typeof reader.read = async (chain, after, limit) => {
    state.reads++;
    state.reading++;
    await new Promise((resolve) => setTimeout(resolve, pageMs));
    state.reading--;
    return await reader.read(chain, after, Math.min(limit, PAGE));
  };
  // What the route does not touch is not there.
  const log = {
    reader: { ...reader, read: slow },
    originOf: () => ORIGIN,
    verifierKeys: () => [formatVerifierKey(ORIGIN, KEY)],
    sign: () => Promise.resolve(),
  } as unknown as AuditLog;
  const environment = {
    ...{ source: { logId: LOG_ID }, nowMs: () => 1_700_000_060_000 },
    tenantExists: () => Promise.resolve(true),
  } as unknown as AdminEnvironment;
  const slots = createReaderSlots({ most, mostPerOperator: most, idleMs: 5_000 });
  const app = new Hono<AdminVariables>();
  app.use(async (context, next) => {
    context.set("operator", { id: "auditor", role: "auditor", tenants: "*" } as never);
    await next();
  });
  app.get("/audit/verify", auditVerifyRoute(environment, log, slots, 5).handler);
  return { app, state, slots };
}

Deno.test("GET /audit/verify tells who asks for it how far it is, and ends with the same answer", async () => {
  const { app, slots } = await served(20);
  const answer = await (await app.request(PATH)).json();
  assert.deepEqual([answer.verdict, answer.events], ["verified", TEXTS.length]);
  const watched = await app.request(PATH, STREAM);
  assert.equal(watched.headers.get("content-type"), "text/event-stream");
  const messages = (await watched.text()).split("\n\n").filter((text) => text.startsWith("event: "));
  const told = messages.map((text) => {
    const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(text) ?? [];
    return { event, data: JSON.parse(data ?? "") };
  });
  assert.deepEqual(told.pop(), { event: "report", data: answer });
  assert.ok(told.every(({ event }) => event === "progress"));
  const places = told.map(({ data }) => data.seq);
  assert.deepEqual(places, places.toSorted((a, b) => a - b));
  const between = told.filter(({ data }) => data.seq > 0 && data.seq < TEXTS.length);
  assert.ok(
    between.length > 0 && between.every(({ data }) => data.last === TEXTS.length),
    JSON.stringify(told),
  );
  assert.equal(slots.taken(), 0);
});

Deno.test("GET /audit/verify answers once where too many already watch", async () => {
  const { app, slots } = await served(1);
  const slot = slots.take("auditor");
  const answer = await app.request(PATH, STREAM);
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.equal((await answer.json()).verdict, "verified");
  slot?.release();
});

Deno.test("GET /audit/verify ends when its reader has gone", async () => {
  const { app, state, slots } = await served(20);
  const reader = (await app.request(PATH, STREAM)).body!.getReader();
  await reader.read();
  await reader.read();
  await reader.cancel();
  while (state.reading > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const { reads } = state;
  assert.ok(reads > 0 && reads < TEXTS.length / PAGE / 2, `${reads} reads`);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual([state.reads, slots.taken()], [reads, 0]);
});
