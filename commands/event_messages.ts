/** Reads server-sent events, https://html.spec.whatwg.org/#event-stream-interpretation, as far as a stream of ours goes. */

/** One message. One without data only says how far the stream has come. */
export interface EventMessage {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
  /** How long to wait before coming again, when it says so. */
  readonly retryMs?: number;
}

/** An audit event has at most 60,000 bytes. */
const MAX_MESSAGE_LENGTH = 262_144;

/** The messages of a body, those without data too; what the last line break does not end is no message. */
export async function* eventMessages(body: ReadableStream<Uint8Array>): AsyncGenerator<EventMessage> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    rest += text;
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    if (rest.length > MAX_MESSAGE_LENGTH) throw new TypeError("Expected shorter messages from the gateway");
    for (const block of blocks) yield messageOf(block);
  }
}

function messageOf(block: string): EventMessage {
  const data: string[] = [];
  let [id, event]: [string | undefined, string] = [undefined, "message"];
  let retryMs: number | undefined;
  for (const line of block.split("\n")) {
    const [, field = "", value = ""] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
    if (field === "data") data.push(value);
    else if (field === "id") id = value;
    else if (field === "event") event = value;
    else if (field === "retry" && /^\d{1,6}$/.test(value)) retryMs = Number(value);
  }
  return { id, event, data: data.join("\n"), ...(retryMs === undefined ? {} : { retryMs }) };
}
