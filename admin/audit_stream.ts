/** Following an audit chain as server-sent events, https://html.spec.whatwg.org/#server-sent-events. */
import type { EventTerms } from "../audit/event_terms.ts";
import {
  followChain,
  type Followed,
  type FollowedChain,
  type FollowedEvent,
} from "../audit/live/follow_chain.ts";
import type { HeadFeed } from "../audit/live/head_feed.ts";
import type { Operator } from "../core/operator.ts";
import { requireChain } from "./audit_access.ts";
import { AUDIT_SEARCH_ROUTES, lastEventId } from "./contract/audit_search.ts";
import type { AdminEnvironment } from "./environment.ts";
import { invalid, ProblemError } from "./problem.ts";
import { createReaderSlots, type ReaderSlot } from "./reader_slots.ts";
import { readRequest } from "./request.ts";
import type { AdminRoute } from "./route.ts";

/** Streams at once, of all operators and of one, in one replica. */
const MAX_AUDIT_STREAMS = 32;
const MAX_AUDIT_STREAMS_PER_OPERATOR = 4;
/** A stream whose reader takes nothing for so long is ended; one that reads slowly only lags. */
const STREAM_IDLE_MS = 60_000;
/** A stream ends after this time; its reader comes again. */
const MAX_AUDIT_STREAM_MS = 50 * 60_000;
/** A sign of life when there is nothing to tell. */
const HEARTBEAT_MS = 10_000;
/** After this time a stream asks again who follows it, at the next message or heartbeat. */
const RECHECK_MS = 15_000;
/** What readers are told to wait before they come again. */
const RETRY_MS = 2_000;

type Chunk = Uint8Array<ArrayBuffer>;

/** What following needs; `commands/search_parts.ts` joins it. */
export interface AuditStreamParts {
  readonly followed: FollowedChain;
  readonly heads: HeadFeed;
  readonly streams: AuditStreams;
  /** The operator behind an `Authorization` header now; `undefined` when it names none. */
  readonly identify: (authorization: string | undefined) => Promise<Operator | undefined>;
  /** A clock that never steps, milliseconds. */
  readonly steadyMs: () => number;
  readonly onError: (error: unknown) => void;
  /** A reader took nothing for too long. */
  readonly onIdle: (operatorId: string, chain: string) => void;
}

/** The open streams of one replica. */
export interface AuditStreams {
  /** Room for one, `undefined` when there is none. */
  take(operatorId: string): ReaderSlot | undefined;
  open(): number;
  /** Aborted when the process stops. */
  readonly stopping: AbortSignal;
  /** Ends all of them; their readers come again. */
  close(): void;
}

/** Timing of the streams; tests have less of it. */
export interface StreamTimes {
  readonly longestMs: number;
  readonly heartbeatMs: number;
  readonly recheckMs: number;
}

const TIMES: StreamTimes = {
  ...{ longestMs: MAX_AUDIT_STREAM_MS, heartbeatMs: HEARTBEAT_MS, recheckMs: RECHECK_MS },
};

/** Makes the room. */
export function createAuditStreams(idleMs = STREAM_IDLE_MS): AuditStreams {
  const aborter = new AbortController();
  const slots = createReaderSlots({
    ...{ most: MAX_AUDIT_STREAMS, mostPerOperator: MAX_AUDIT_STREAMS_PER_OPERATOR, idleMs },
  });
  return {
    take: (operatorId) => slots.take(operatorId),
    open: () => slots.taken(),
    stopping: aborter.signal,
    close: () => aborter.abort(),
  };
}

/** The stream. */
export function auditStreamRoutes(
  environment: AdminEnvironment,
  parts: AuditStreamParts,
  times: StreamTimes = TIMES,
): readonly AdminRoute[] {
  const spec = AUDIT_SEARCH_ROUTES.stream;
  const headers = {
    "content-type": spec.answer.file,
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  };
  return [{
    spec,
    handler: async (context) => {
      const { request: { operator, query } } = await readRequest(context, spec);
      const { tenant: chain, after: asked, ...terms } = query;
      await requireChain(environment, operator, chain);
      const after = await placeOf(
        parts,
        chain,
        readLastEventId(context.req.header("last-event-id")) ?? asked,
      );
      if (context.req.method === "HEAD") return context.body(null, 200, headers);
      const slot = parts.streams.take(operator.id);
      if (slot === undefined) throw tooMany(operator.id);
      const authorization = context.req.header("authorization");
      const mayGoOn = async () => isStillAllowed(environment, await parts.identify(authorization), chain);
      const stream = new Stream(parts, times, { chain, after, terms, mayGoOn });
      // With the place, so that a reader whose connection breaks before the first event misses none either.
      const first = encoded(`retry: ${RETRY_MS}\nid: ${after}\n\n`);
      const body = slot.stream({ done: false, value: first }, stream.rest(), (how) => {
        stream.end();
        if (how === "idle") parts.onIdle(operator.id, chain);
      });
      return context.body(body, 200, headers);
    },
  }];
}

interface Following {
  readonly chain: string;
  readonly after: number;
  readonly terms: EventTerms;
  readonly mayGoOn: () => Promise<boolean>;
}

class Stream {
  readonly #parts: AuditStreamParts;
  readonly #times: StreamTimes;
  readonly #following: Following;
  readonly #aborter = new AbortController();
  readonly #overrun: ReturnType<typeof setTimeout>;

  constructor(parts: AuditStreamParts, times: StreamTimes, following: Following) {
    this.#parts = parts;
    this.#times = times;
    this.#following = following;
    this.#overrun = setTimeout(this.end, times.longestMs);
    parts.streams.stopping.addEventListener("abort", this.end);
    if (parts.streams.stopping.aborted) this.end();
  }

  /** The reader has gone, all is sent, or it is time. */
  readonly end = (): void => {
    clearTimeout(this.#overrun);
    this.#parts.streams.stopping.removeEventListener("abort", this.end);
    this.#aborter.abort();
  };

  async *rest(): AsyncGenerator<Chunk> {
    const { followed, heads, steadyMs, onError } = this.#parts;
    const { chain, after, terms: asked, mayGoOn } = this.#following;
    let checkedMs = steadyMs();
    try {
      const request = {
        ...{ chain, after, asked, quietMs: this.#times.heartbeatMs, signal: this.#aborter.signal },
      };
      for await (const page of followChain(followed, heads, request)) {
        if (steadyMs() - checkedMs >= this.#times.recheckMs) {
          if (!await mayGoOn()) return;
          checkedMs = steadyMs();
        }
        yield encoded(textOf(page));
      }
    } catch (error) {
      onError(error); // the reader comes again and goes on where it was
    }
  }
}

/** A token that was deleted or has expired, or whose operator may less than it did, follows no longer. */
async function isStillAllowed(
  environment: AdminEnvironment,
  operator: Operator | undefined,
  chain: string,
): Promise<boolean> {
  if (operator === undefined) return false; // every role may read the record
  try {
    await requireChain(environment, operator, chain);
    return true;
  } catch (error) {
    if (error instanceof ProblemError) return false;
    throw error;
  }
}

/** The event after which a stream begins. */
async function placeOf(
  { followed }: AuditStreamParts,
  chain: string,
  asked: number | undefined,
): Promise<number> {
  const { headSeq } = await followed.bounds(chain);
  if (asked === undefined || asked <= headSeq) return asked ?? headSeq;
  const detail = `Chain "${chain}" has ${headSeq} events, event ${asked} is not among them`;
  throw new ProblemError({ status: 422, code: "ahead_of_chain", detail });
}

function readLastEventId(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const parsed = lastEventId.safeParse(text);
  if (!parsed.success) throw invalid(parsed.error.issues, ["Last-Event-ID"]);
  return Number(parsed.data);
}

/** Canonical JSON has no line breaks outside of its strings, and inside they are escaped. */
function textOf({ events, seq }: Followed): string {
  return events.length === 0 ? `: nothing new\nid: ${seq}\n\n` : events.map(messageOf).join("");
}

function messageOf(event: FollowedEvent): string {
  return "canonical" in event
    ? `id: ${event.seq}\ndata: ${event.canonical}\n\n`
    : `id: ${event.seq}\nevent: pruned\ndata: ${event.leafHash}\n\n`;
}

function encoded(text: string): Chunk {
  return new TextEncoder().encode(text);
}

function tooMany(operatorId: string): ProblemError {
  return new ProblemError({
    ...{ status: 429, code: "too_many_streams", retryAfterSeconds: 10 },
    detail: `Too many streams are followed, by operator "${operatorId}" or by all together`,
  });
}
