/** Recomputing a chain on request: one answer, or for who asks for it the same at the end of a report on the way. */
import { parseVerifierKey } from "../audit/signed_note.ts";
import { verifyChain, type VerifyOrder, type VerifyReport } from "../audit/verify.ts";
import type { AuditLog } from "./audit.ts";
import { requireChain } from "./audit_access.ts";
import { AUDIT_ROUTES } from "./contract/audit.ts";
import type { AdminEnvironment } from "./environment.ts";
import { createReaderSlots, type ReaderSlots } from "./reader_slots.ts";
import { type AdminRequest, readRequest } from "./request.ts";
import { type AdminRoute, reading } from "./route.ts";

/** How long one verification may take before it answers `unproven`. */
const VERIFY_TIMEOUT_MS = 60_000;
/** The same where its reader is told how far it is, and is seen to be there. */
const MAX_WATCHED_VERIFY_MS = 60 * 60_000;
/** Watched verifications at once, of all operators and of one; who comes later gets the one answer. */
const MAX_WATCHED_VERIFIES = 4;
const MAX_WATCHED_VERIFIES_PER_OPERATOR = 2;
/** One whose reader takes nothing for so long is ended. */
const WATCH_IDLE_MS = 60_000;
const PROGRESS_MS = 1_000;

const EVENT_STREAM = "text/event-stream";
const HEADERS = { "content-type": EVENT_STREAM, "cache-control": "no-store", "x-accel-buffering": "no" };

type Chunk = Uint8Array<ArrayBuffer>;
type Request = AdminRequest<typeof AUDIT_ROUTES.verify>;

/** The route; `slots` and the time between two reports are others in tests. */
export function auditVerifyRoute(
  environment: AdminEnvironment,
  log: AuditLog,
  slots: ReaderSlots = createReaderSlots({
    ...{ most: MAX_WATCHED_VERIFIES, mostPerOperator: MAX_WATCHED_VERIFIES_PER_OPERATOR },
    idleMs: WATCH_IDLE_MS,
  }),
  progressMs = PROGRESS_MS,
): AdminRoute {
  const spec = AUDIT_ROUTES.verify;
  const plain = reading(spec, async (request) => {
    const order = await orderOf(environment, log, request);
    const signal = AbortSignal.timeout(VERIFY_TIMEOUT_MS);
    return verifyAnswer(await verifyChain(log.reader, { ...order, signal }));
  });
  return {
    spec,
    handler: async (context, next) => {
      if (context.req.method === "HEAD" || context.req.header("accept") !== EVENT_STREAM) {
        return await plain.handler(context, next);
      }
      const { request } = await readRequest(context, spec);
      const order = await orderOf(environment, log, request);
      const slot = slots.take(request.operator.id);
      if (slot === undefined) return await plain.handler(context, next);
      const first = { done: false, value: new TextEncoder().encode(": verifying\n\n") };
      return context.body(slot.stream(first, watched(log, order, progressMs)), 200, HEADERS);
    },
  };
}

async function orderOf(
  environment: AdminEnvironment,
  log: AuditLog,
  { operator, query: { tenant, expected, since } }: Request,
): Promise<VerifyOrder> {
  await requireChain(environment, operator, tenant);
  // A chain that is younger than the first round of signing has nothing that it could contradict.
  if (await log.reader.latestCheckpoint(tenant) === undefined) await log.sign(tenant);
  const origin = log.originOf(tenant);
  return {
    ...{ chain: tenant, logId: environment.source.logId, origin, expected, since },
    ...{ keys: log.verifierKeys(origin).map(parseVerifierKey), nowMs: environment.nowMs },
  };
}

/** Verifies, and tells from time to time how far that is; ends with the report. */
async function* watched(log: AuditLog, order: VerifyOrder, progressMs: number): AsyncGenerator<Chunk> {
  const aborter = new AbortController();
  const limit = setTimeout(() => aborter.abort(), MAX_WATCHED_VERIFY_MS);
  let progress = { seq: 0, last: 0 };
  const onProgress = (seq: number, last: number) => void (progress = { seq, last });
  const done = verifyChain(log.reader, { ...order, signal: aborter.signal, onProgress });
  done.catch(() => {}); // told to the reader below, unless it has gone
  try {
    while (await within(done, progressMs) === undefined) yield message("progress", progress);
    yield message("report", verifyAnswer(await done));
  } finally {
    clearTimeout(limit);
    aborter.abort();
  }
}

async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), timeoutMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function message(event: string, data: unknown): Chunk {
  return new TextEncoder().encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

function verifyAnswer({ chain, checkpoint, verifiedTo, tail, ...report }: VerifyReport) {
  return {
    ...{ tenant: chain, ...report, tail: { events: tail.events, age_seconds: tail.ageSeconds } },
    ...(checkpoint === undefined ? {} : {
      checkpoint: {
        ...{ size: checkpoint.size, root: checkpoint.root, note: checkpoint.note },
        signed_at: Math.floor(checkpoint.signedAt),
      },
    }),
    ...(verifiedTo === undefined ? {} : { verified_to: verifiedTo }),
  };
}
