/** Passing an upstream's answer to the client: as JSON, or as a stream event by event, edited on the way. */
import {
  type Answer,
  endingOf,
  readEvents,
  readIncoming,
  readJsonAnswer,
  refuseForeignAnswer,
} from "./answer.ts";
import { eventText, eventTextWithData, EventWriter, isComment, type StreamEvent } from "./event_stream.ts";
import type { Forwarded, ForwardEnding } from "./port.ts";
import { jsonText, type MessageId, sessionNotFound } from "./refusals.ts";
import { type Exchange, UpstreamFailure } from "./upstream_connection.ts";

/** What is done with the answer to one request. */
export interface RelayPlan {
  readonly id: MessageId;
  /** Most characters of one event. */
  readonly maxEventLength: number;
  /** Whether a bare 404 says that the upstream has forgotten the session. */
  readonly hasUpstreamSession: boolean;
  /** The text that the client gets instead of the upstream's answer. */
  edit(answer: Answer): string | Promise<string>;
  /** The JSON-RPC error message for a client whose answer did not come. */
  failed(failure: UpstreamFailure): string;
  /** Called for each notification that passes. */
  onNotification?(method: string): void;
}

/** Relays the answer to one request. `exchange` rejects with `UpstreamFailure`; this never rejects. */
export async function relayAnswer(
  sending: Promise<Exchange>,
  plan: RelayPlan,
  nowMs: () => number,
): Promise<Forwarded> {
  const startedMs = nowMs();
  let exchange: Exchange | undefined;
  try {
    exchange = await sending;
    const passed = await relayErrorStatus(exchange, plan.id);
    if (passed !== undefined) return passed;
    refuseForeignAnswer(exchange);
    if (exchange.contentType === "text/event-stream") return streamAnswer(exchange, plan);
    const answer = await readJsonAnswer(exchange, plan.id);
    const ending = endingOf(answer, exchange);
    return { response: jsonText(await edited(answer, plan, exchange)), ending: Promise.resolve(ending) };
  } catch (error) {
    const failure = asFailure(error, exchange);
    const ending = failureEnding(failure, exchange?.elapsedMs() ?? nowMs() - startedMs);
    return { response: failedResponse(failure, plan), ending: Promise.resolve(ending) };
  }
}

/** 400 and 404 with a JSON-RPC error keep their status: clients read protocol facts from it. */
export async function relayErrorStatus(exchange: Exchange, id: MessageId): Promise<Forwarded | undefined> {
  const { status } = exchange;
  if ((status !== 400 && status !== 404) || exchange.contentType !== "application/json") return undefined;
  const text = await exchange.readText();
  const incoming = readIncoming(text);
  // An error without an id says that the upstream did not read the message; one for another id is not ours to pass on.
  const isOurs = incoming.kind === "answer" && (incoming.id === id || (incoming.id ?? null) === null);
  if (!isOurs || incoming.answer.error === undefined) {
    throw new UpstreamFailure("upstream_failed", `http_${status}`, status);
  }
  const ending = endingOf(incoming.answer, exchange);
  return { response: jsonText(text, status), ending: Promise.resolve(ending) };
}

function streamAnswer(exchange: Exchange, plan: RelayPlan): Forwarded {
  // A client that goes away does not cancel: the upstream works on, and the outcome must become known.
  const writer = new EventWriter(() => {});
  return { response: streamResponse(writer), ending: pumpAnswer(exchange, plan, writer) };
}

/** Pumps events until the answer has come; never rejects. */
async function pumpAnswer(exchange: Exchange, plan: RelayPlan, writer: EventWriter): Promise<ForwardEnding> {
  let isResumable = false;
  try {
    for await (const event of readEvents(exchange, plan.maxEventLength)) {
      isResumable ||= event.hasId;
      const answer = passEvent(event, plan, writer);
      if (answer === undefined) continue;
      const ending = endingOf(answer, exchange);
      writer.write(eventTextWithData(event, await edited(answer, plan, exchange)));
      writer.close();
      void exchange.drain();
      return ending;
    }
    throw new UpstreamFailure("unknown", "stream_closed", exchange.status);
  } catch (error) {
    const failure = asFailure(error, exchange);
    // A client can resume a stream with event ids and still get the answer; an error would end its waiting.
    const mayResume = isResumable && failure.kind === "unknown" && failure.code !== "timeout";
    if (!mayResume) writer.write(`data: ${plan.failed(failure)}\n\n`);
    writer.close();
    return failureEnding(failure, exchange.elapsedMs());
  }
}

/** Writes an event that may pass; gives back the answer to our request, still unwritten. */
function passEvent(event: StreamEvent, plan: RelayPlan, writer: EventWriter): Answer | undefined {
  if (isComment(event)) return undefined;
  if (event.data === undefined || event.data === "") {
    writer.write(eventText(event));
    return undefined;
  }
  const incoming = readIncoming(event.data);
  if (incoming.kind === "answer" && incoming.id === plan.id) return incoming.answer;
  if (incoming.kind === "notification") {
    plan.onNotification?.(incoming.method);
    writer.write(eventText(event));
  }
  // Requests of the server, answers to other requests and what is no message do not pass.
  return undefined;
}

/** What is done with the events of a session's own stream. */
export interface StreamPlan {
  readonly maxEventLength: number;
  /** The text that the client gets instead of a resumed answer. */
  edit(answer: Answer): string | Promise<string>;
  onNotification?(method: string): void;
  /** The streams that are open now; this one is among them until it ends. */
  readonly openStreams: Set<Exchange>;
}

/** Most bytes that may wait for a client that does not read before another event is written. */
const MAX_BACKLOG_BYTES = 1024 * 1024;

/** Relays the stream that a GET opened until either side ends it. */
export function relayStream(exchange: Exchange, plan: StreamPlan): Response {
  const writer = new EventWriter(() => exchange.abort());
  plan.openStreams.add(exchange);
  void pumpStream(exchange, plan, writer);
  return streamResponse(writer);
}

async function pumpStream(exchange: Exchange, plan: StreamPlan, writer: EventWriter): Promise<void> {
  try {
    for await (const event of readEvents(exchange, plan.maxEventLength)) {
      const text = await streamEventText(event, plan);
      if (writer.backlog > MAX_BACKLOG_BYTES) break;
      if (text !== undefined) writer.write(text);
    }
  } catch {
    // The client sees the end of the stream and opens another one.
  } finally {
    plan.openStreams.delete(exchange);
    exchange.abort();
    writer.close();
  }
}

async function streamEventText(event: StreamEvent, plan: StreamPlan): Promise<string | undefined> {
  if (isComment(event)) return undefined;
  if (event.data === undefined || event.data === "") return eventText(event);
  const incoming = readIncoming(event.data);
  if (incoming.kind === "answer") return eventTextWithData(event, await plan.edit(incoming.answer));
  if (incoming.kind !== "notification") return undefined;
  plan.onNotification?.(incoming.method);
  return eventText(event);
}

async function edited(answer: Answer, plan: RelayPlan, exchange: Exchange): Promise<string> {
  try {
    return await plan.edit(answer);
  } catch (error) {
    if (error instanceof UpstreamFailure) throw error;
    // Duplicate names where the answer has to be edited: two readers would see two answers.
    throw exchange.fail("upstream_failed", "not_mcp");
  }
}

function asFailure(error: unknown, exchange: Exchange | undefined): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  return exchange?.fail("unknown", "internal") ?? new UpstreamFailure("unknown", "internal");
}

function failedResponse(failure: UpstreamFailure, plan: RelayPlan): Response {
  const hasLostSession = plan.hasUpstreamSession && failure.status === 404;
  return hasLostSession ? sessionNotFound(plan.id) : jsonText(plan.failed(failure));
}

function failureEnding(failure: UpstreamFailure, upstreamMs: number): ForwardEnding {
  return {
    kind: failure.kind,
    code: failure.code,
    ...(failure.status === undefined ? {} : { upstreamStatus: failure.status }),
    upstreamMs,
  };
}

function streamResponse(writer: EventWriter): Response {
  return new Response(writer.body, {
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    },
  });
}
