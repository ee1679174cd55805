import assert from "node:assert/strict";
import { Hono } from "hono";
import { honestEvents, LOG_ID } from "../audit/export/export_fixture.ts";
import { formatVerifierKey } from "../audit/signed_note.ts";
import type { HeldElsewhere } from "../audit/signed_points.ts";
import { CHAIN, checkpointOf, imageOf, KEY, ORIGIN, readerOf } from "../audit/verify_fixture.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import type { AuditLog } from "./audit.ts";
import { auditVerifyRoute } from "./audit_verify.ts";
import type { AdminEnvironment, AdminVariables } from "./environment.ts";
import { ProblemError, problemResponse } from "./problem.ts";
import { createReaderSlots } from "./reader_slots.ts";

const TEXTS = honestEvents(CHAIN, 1_500).map(canonicalJson);
const STREAM = { headers: { accept: "text/event-stream" } };
const PATH = `/audit/verify?tenant=${CHAIN}`;

/** Short pages, so that there are many. */
const PAGE = 100;

/** The route over a chain whose pages take `pageMs` each. */
async function served(pageMs: number, most = 1, held: HeldElsewhere = {}, oldName = ORIGIN) {
  const image = await imageOf(TEXTS, TEXTS.length);
  image.checkpoint = checkpointOf(TEXTS, TEXTS.length, KEY, oldName);
  const reader = readerOf(image);
  const state = { reads: 0, reading: 0, signs: 0, canSign: false, fault: undefined as Error | undefined };
  const refusals: string[] = [];
  const slow: typeof reader.read = async (chain, after, limit) => {
    state.reads++;
    state.reading++;
    await new Promise((resolve) => setTimeout(resolve, pageMs));
    state.reading--;
    return await reader.read(chain, after, Math.min(limit, PAGE));
  };
  // What the route does not touch is not there.
  const log = {
    reader: {
      ...{ ...reader, read: slow },
      latestCheckpoint: (chain: string) =>
        state.fault === undefined ? reader.latestCheckpoint(chain) : Promise.reject(state.fault),
    },
    originOf: () => ORIGIN,
    verifierKeys: () => [formatVerifierKey(ORIGIN, KEY)],
    heldElsewhere: () => Promise.resolve(held),
    sign: () => {
      state.signs++;
      if (state.canSign) image.checkpoint = checkpointOf(TEXTS, TEXTS.length);
      return Promise.resolve();
    },
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
  app.onError((error, context) => {
    if (!(error instanceof ProblemError)) return context.text("", 500);
    refusals.push(error.problem.code);
    return problemResponse(context, error.problem);
  });
  app.get("/audit/verify", auditVerifyRoute(environment, log, slots, 5).handler);
  return { app, state, slots, refusals };
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

Deno.test("GET /audit/verify of either form holds the chain against what is kept of it besides the database", async () => {
  const longer = honestEvents(CHAIN, 1_600).map(canonicalJson);
  const { app } = await served(0, 1, { note: checkpointOf(longer, longer.length).note });
  for (const form of [{}, STREAM]) {
    const text = await (await app.request(PATH, form)).text();
    assert.match(text, /"verdict":"broken","broken":\{"seq":\d+,"what":"missing"/);
  }
});

Deno.test("GET /audit/verify has a chain signed under the log's new name, and calls it unproven where that cannot be yet", async () => {
  const { app, state } = await served(0, 1, {}, `old.example/${CHAIN}`);
  for (const form of [{}, STREAM]) {
    const text = await (await app.request(PATH, form)).text();
    assert.match(text, /"verdict":"unproven","reason":"no checkpoint has been signed under this name/);
  }
  state.canSign = true;
  assert.equal((await (await app.request(PATH)).json()).verdict, "verified");
  assert.equal((await (await app.request(PATH)).json()).verdict, "verified");
  assert.equal(state.signs, 3);
});

Deno.test("GET /audit/verify of either form is refused where too many are under way, and has room again when one ends", async () => {
  for (const form of [{}, STREAM]) {
    const { app, slots, refusals } = await served(20);
    const running = app.request(PATH);
    while (slots.taken() === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal((await app.request(PATH, form)).status, 429);
    assert.deepEqual(refusals.splice(0), ["too_many_verifications"]);
    assert.equal((await (await running).json()).verdict, "verified");
    assert.equal(slots.taken(), 0);
    const watched = await app.request(PATH, STREAM);
    assert.equal((await app.request(PATH, form)).status, 429);
    await watched.body?.cancel();
    const again = await app.request(PATH, form);
    assert.equal(again.status, 200);
    assert.match(await again.text(), /"verdict":"verified"/);
  }
});

Deno.test("GET /audit/verify gives its room back when it fails, and recomputes for nobody who has gone", async () => {
  const { app, state, slots } = await served(20);
  state.fault = new Error("no database");
  for (const form of [{}, STREAM]) assert.equal((await app.request(PATH, form)).status, 500);
  assert.equal(slots.taken(), 0);
  state.fault = undefined;
  const aborter = new AbortController();
  const running = app.request(PATH, { signal: aborter.signal });
  while (state.reads === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  aborter.abort();
  await running;
  assert.ok(state.reads < TEXTS.length / PAGE / 2, `${state.reads} reads`);
  assert.equal(slots.taken(), 0);
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
