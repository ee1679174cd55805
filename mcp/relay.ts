/** Passing an upstream's answer to the client: as JSON, or as a stream event by event, edited on the way. */
import {
  type Answer,
  endingOf,
  type Incoming,
  readEvents,
  readIncoming,
  readJsonAnswer,
  refuseForeignAnswer,
  WithheldAnswer,
} from "./answer.ts";
import { answerJson } from "./answer_body.ts";
import {
  eventText,
  eventTextWithData,
  EventWriter,
  isComment,
  MAX_BACKLOG_BYTES,
  type StreamEvent,
} from "./event_stream.ts";
import { MODERN_ONLY } from "./links/era_errors.ts";
import type { Hides } from "./lists.ts";
import type { Forwarded, ForwardEnding } from "./port.ts";
import type { OpenStreams, StreamControl } from "./open_streams.ts";
import { jsonText, type MessageId, sessionNotFound } from "./refusals.ts";
import type { UnreadRoom } from "./unread_answers.ts";
import type { ServerRequestRelay } from "./server_requests.ts";
import { type Exchange, UpstreamFailure } from "./upstream_connection.ts";

/** What is done with the answer to one request. */
export interface RelayPlan {
  readonly id: MessageId;
  /** Most characters of one event. */
  readonly maxEventLength: number;
  /** Whether a bare 404 says that the upstream has forgotten the session. */
  readonly hasUpstreamSession: boolean;
  /** Whether the client has a session, which it can begin anew where the upstream speaks the other era now. */
  readonly isOfSession?: boolean;
  /** The text that the client gets instead of the upstream's answer; may throw `WithheldAnswer` or `UpstreamFailure`. */
  edit(answer: Answer): string | Promise<string>;
  /** The JSON-RPC error message for a client whose answer did not come. */
  failed(failure: UpstreamFailure): string;
  /** Called for each notification that passes. */
  onNotification?(method: string): void;
  /** Whether a notification is not for this caller. */
  readonly hides?: Hides;
  /** Which requests of the upstream pass; without it, none. */
  readonly serverRequests?: ServerRequestRelay | undefined;
  /** A client that goes away cancels its request (modern era); otherwise the upstream works on. */
  readonly endsWithClient?: boolean;
  /** Where an answer waits for a client that reads slowly. */
  readonly room: UnreadRoom;
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
    const passed = await relayErrorStatus(exchange, plan);
    if (passed !== undefined) return passed;
    refuseForeignAnswer(exchange);
    if (exchange.contentType === "text/event-stream") return streamAnswer(exchange, plan);
    const { text, ending } = await edited(await readJsonAnswer(exchange, plan.id), plan, exchange);
    return { response: answerJson(text, plan.room), ending: Promise.resolve(ending) };
  } catch (error) {
    const failure = asFailure(error, exchange);
    const ending = failureEnding(failure, exchange?.elapsedMs() ?? nowMs() - startedMs);
    return { response: failedResponse(failure, plan), ending: Promise.resolve(ending) };
  }
}

/** 400 and 404 with a JSON-RPC error keep their status: clients read protocol facts from it. */
export async function relayErrorStatus(
  exchange: Exchange,
  { id, room, isOfSession }: Pick<RelayPlan, "id" | "room" | "isOfSession">,
): Promise<Forwarded | undefined> {
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
  const { code } = incoming.answer.error.value;
  const isOtherEra = isOfSession === true && MODERN_ONLY.some((one) => one === code);
  const response = isOtherEra ? sessionNotFound(id) : answerJson(text, room, status);
  return { response, ending: Promise.resolve(ending) };
}

function streamAnswer(exchange: Exchange, plan: RelayPlan): Forwarded {
  // Where a client that goes away does not cancel, the upstream works on, and the outcome must become known.
  const writer = new EventWriter(() => plan.endsWithClient === true && exchange.cancel(), {
    room: plan.room,
  });
  return { response: streamResponse(writer), ending: pumpAnswer(exchange, plan, writer) };
}

/** Pumps events until the answer has come; never rejects. */
async function pumpAnswer(exchange: Exchange, plan: RelayPlan, writer: EventWriter): Promise<ForwardEnding> {
  let isResumable = false;
  try {
    for await (const event of readEvents(exchange, plan.maxEventLength)) {
      isResumable ||= event.hasId && !exchange.isNear;
      const passed = readEventMessage(event, plan.id);
      const answer = passed?.kind === "answer" ? passed.answer : undefined;
      if (answer === undefined) {
        const text = await passedText(event, passed, plan);
        if (text !== undefined) writer.write(text);
        continue;
      }
      const { text, ending } = await edited(answer, plan, exchange);
      writer.write(eventTextWithData(event, text));
      writer.close();
      void exchange.drain();
      return ending;
    }
    throw new UpstreamFailure("unknown", "stream_closed", exchange.status);
  } catch (error) {
    const failure = asFailure(error, exchange);
    // A client can resume a stream with event ids and still get the answer; an error would end its waiting. Only in a
    // session of the upstream is there something to go back to.
    const mayResume = isResumable && plan.hasUpstreamSession && plan.endsWithClient !== true &&
      failure.kind === "unknown" && !FINAL.includes(failure.code);
    if (!mayResume) writer.write(`data: ${plan.failed(failure)}\n\n`);
    writer.close();
    return failureEnding(failure, exchange.elapsedMs());
  }
}

/** What ended a stream that the upstream would have gone on with. */
const FINAL: readonly string[] = ["timeout", "cancelled"];

/** The message of an event that has one; an answer only when it is the one to request `id`. */
function readEventMessage(event: StreamEvent, id?: MessageId): Incoming | undefined {
  if (event.data === undefined || event.data === "") return undefined;
  const incoming = readIncoming(event.data);
  return incoming.kind === "answer" && id !== undefined && incoming.id !== id ? UNUSABLE : incoming;
}

/** The text of an event that may pass: no answers to other requests, and nothing that is no message. */
async function passedText(
  event: StreamEvent,
  incoming: Incoming | undefined,
  plan: Pick<RelayPlan, "onNotification" | "serverRequests" | "hides">,
): Promise<string | undefined> {
  if (isComment(event)) return undefined;
  if (incoming === undefined) return eventText(event);
  const data = event.data ?? "";
  if (incoming.kind === "server_request") {
    const request = await plan.serverRequests?.pass(data, incoming.method, incoming.id);
    return request === undefined ? undefined : eventTextWithData(event, request);
  }
  if (incoming.kind !== "notification" || await plan.hides?.(incoming.method, data) === true) {
    return undefined;
  }
  plan.onNotification?.(incoming.method);
  if (incoming.method !== "notifications/cancelled" || plan.serverRequests === undefined) {
    return eventText(event);
  }
  return eventTextWithData(event, plan.serverRequests.cancelled(data));
}

const UNUSABLE: Incoming = { kind: "unusable" };

/** What is done with the events of a session's own stream. */
export interface StreamPlan {
  readonly maxEventLength: number;
  /** The text that the client gets instead of a resumed answer. */
  edit(answer: Answer): string | Promise<string>;
  onNotification?(method: string): void;
  readonly serverRequests?: ServerRequestRelay | undefined;
  /** Whether a notification is not for this caller. */
  readonly hides?: Hides;
  /** The streams that are open now; this one is among them until it ends. */
  readonly openStreams: OpenStreams;
  readonly control: Omit<StreamControl, "announceTools" | "announceNames">;
  /** What the client is told when the tools that it may list have changed: the data of an event. */
  readonly toolsChanged?: string | undefined;
  /** The same for the prompts and resources that it has asked about. */
  readonly namesChanged?: readonly string[];
  readonly room: UnreadRoom;
  onEnd(): void;
}

/** Relays the stream that a GET opened until either side ends it. */
export function relayStream(exchange: Exchange, plan: StreamPlan): Response {
  const writer = new EventWriter(() => exchange.abort(), { room: plan.room });
  const { toolsChanged, namesChanged = [] } = plan;
  const write = (data: string) => writer.write(`data: ${data}\n\n`);
  plan.openStreams.add(exchange, {
    ...plan.control,
    ...(toolsChanged === undefined ? {} : { announceTools: () => write(toolsChanged) }),
    ...(namesChanged.length === 0 ? {} : { announceNames: () => namesChanged.forEach(write) }),
  });
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
    plan.onEnd();
    exchange.abort();
    writer.close();
  }
}

async function streamEventText(event: StreamEvent, plan: StreamPlan): Promise<string | undefined> {
  const incoming = readEventMessage(event);
  if (incoming?.kind === "answer") return eventTextWithData(event, await plan.edit(incoming.answer));
  return await passedText(event, incoming, plan);
}

/** What the client gets for an answer, and how the call ended with it. */
interface EditedAnswer {
  readonly text: string;
  readonly ending: ForwardEnding;
}

async function edited(answer: Answer, plan: RelayPlan, exchange: Exchange): Promise<EditedAnswer> {
  const ending = endingOf(answer, exchange);
  try {
    return { text: await plan.edit(answer), ending };
  } catch (error) {
    // The record keeps the digest of what was withheld.
    if (error instanceof WithheldAnswer) {
      return { text: error.text, ending: { ...ending, kind: "upstream_failed", code: error.code } };
    }
    if (error instanceof UpstreamFailure) {
      exchange.abort(); // in a stream, more may come
      throw error;
    }
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

/** A stream of events to a client. */
export function streamResponse(writer: EventWriter): Response {
  return new Response(writer.body, {
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    },
  });
}
