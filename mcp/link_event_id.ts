/**
 * Ids of events on the streams of sessions over links. An id names the stream as well as the place in it, so that a client
 * whose connection broke gets the rest of that very stream (`Last-Event-ID`, MCP 2025-11-25, Streamable HTTP).
 */

/** One event. */
export interface LinkEventId {
  /** Whose answer the stream brings; absent for the session's own stream, which a GET without an id opens. */
  readonly upstream?: string;
  /** Nobody can guess it: who attenuated a token does not give away the answers of its parent. */
  readonly stream: string;
  /** Events before it in the stream. */
  readonly number: number;
}

const OWN_STREAM = "-";
const EVENT_ID = /^(-|[a-z0-9][a-z0-9_-]{0,62})\.([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,14})$/;

/** The text of an id. */
export function writeLinkEventId({ upstream = OWN_STREAM, stream, number }: LinkEventId): string {
  return `${upstream}.${stream}.${number}`;
}

/** Reads an id; `undefined` for what is none of ours. */
export function parseLinkEventId(text: string | null): LinkEventId | undefined {
  const [, upstream, stream, number] = EVENT_ID.exec(text ?? "") ?? [];
  if (upstream === undefined || stream === undefined) return undefined;
  return { ...(upstream === OWN_STREAM ? {} : { upstream }), stream, number: Number(number) };
}
