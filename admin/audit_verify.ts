/** Recomputing a chain on request: one answer, or for who asks for it the same at the end of a report on the way. */
import { isOfLog } from "../audit/checkpoint.ts";
import { parseVerifierKey } from "../audit/signed_note.ts";
import { verifyChain, type VerifyOrder, type VerifyReport } from "../audit/verify.ts";
import type { AuditLog } from "./audit.ts";
import { requireChain } from "./audit_access.ts";
import { AUDIT_ROUTES } from "./contract/audit.ts";
import type { AdminEnvironment } from "./environment.ts";
import { ProblemError } from "./problem.ts";
import { createReaderSlots, type ReaderSlots } from "./reader_slots.ts";
import { type AdminRequest, readRequest } from "./request.ts";
import type { AdminRoute } from "./route.ts";

/** How long one verification may take before it answers `unproven`. */
const VERIFY_TIMEOUT_MS = 60_000;
/** The same where its reader is told how far it is, and is seen to be there. */
const MAX_WATCHED_VERIFY_MS = 60 * 60_000;
/** Verifications at once, of both forms, of all operators and of one, in one replica. */
const MAX_VERIFIES = 4;
const MAX_VERIFIES_PER_OPERATOR = 2;
/** A watched one whose reader takes nothing for so long is ended. */
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
    ...{ most: MAX_VERIFIES, mostPerOperator: MAX_VERIFIES_PER_OPERATOR },
    idleMs: WATCH_IDLE_MS,
  }),
  progressMs = PROGRESS_MS,
): AdminRoute {
  const spec = AUDIT_ROUTES.verify;
  return {
    spec,
    handler: async (context) => {
      const { request } = await readRequest(context, spec);
      await requireChain(environment, request.operator, request.query.tenant);
      const slot = slots.take(request.operator.id);
      if (slot === undefined) throw tooMany(request.operator.id);
      let isWatched = false;
      try {
        const order = await orderOf(environment, log, request);
        if (context.req.method === "HEAD" || context.req.header("accept") !== EVENT_STREAM) {
          const signal = AbortSignal.any([AbortSignal.timeout(VERIFY_TIMEOUT_MS), context.req.raw.signal]);
          const report = await verifyChain(log.reader, { ...order, signal });
          const headers = { "content-type": "application/json" };
          return context.body(JSON.stringify(verifyAnswer(report)), 200, headers);
        }
        const first = { done: false, value: new TextEncoder().encode(": verifying\n\n") };
        const body = slot.stream(first, watched(log, order, progressMs));
        isWatched = true;
        return context.body(body, 200, HEADERS);
      } finally {
        if (!isWatched) slot.release(); // else the stream does, when it ends
      }
    },
  };
}

function tooMany(operatorId: string): ProblemError {
  return new ProblemError({
    ...{ status: 429, code: "too_many_verifications", retryAfterSeconds: 10 },
    detail: `Too many verifications are under way, of operator "${operatorId}" or of all together`,
  });
}

async function orderOf(
  environment: AdminEnvironment,
  log: AuditLog,
  { query: { tenant, expected, since } }: Request,
): Promise<VerifyOrder> {
  const origin = log.originOf(tenant);
  // A chain that is younger than the first round of signing, or whose log has a new name, has nothing that proves it.
  const last = await log.reader.latestCheckpoint(tenant);
  if (last === undefined || !isOfLog(last.note, origin)) await log.sign(tenant);
  return {
    ...{ chain: tenant, logId: environment.source.logId, origin, expected, since },
    held: () => log.heldElsewhere(tenant),
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
