/**
 * Answers that let themselves be waited for. A stream is begun for them: a connection on which nothing comes is cut by
 * proxies, and some runtimes do not notice a client that leaves before its answer has begun (Deno 2.9.6 with longer bodies).
 */
import { dataEvent, EventWriter } from "./event_stream.ts";
import type { Forwarded } from "./port.ts";
import { streamResponse } from "./relay.ts";
import { settledWithin } from "./settled_within.ts";
import type { UnreadRoom } from "./unread_answers.ts";

/** The answer, or after this time a stream in which it comes. `relayed` must not reject. */
export async function streamedWhenSlow(
  relayed: Promise<Forwarded>,
  afterMs: number,
  room: UnreadRoom,
): Promise<Forwarded> {
  if (await settledWithin(afterMs, relayed)) return await relayed;
  const gone = new AbortController();
  const writer = new EventWriter(() => gone.abort(), { room });
  writer.write(":\n\n");
  void relayed.then(({ response }) => pump(response, writer, gone.signal)).catch(() => {}).finally(() =>
    writer.close()
  );
  return { response: streamResponse(writer), ending: relayed.then(({ ending }) => ending) };
}

async function pump(response: Response, writer: EventWriter, gone: AbortSignal): Promise<void> {
  if (response.headers.get("content-type") !== "text/event-stream") {
    return writer.write(dataEvent(await response.text()));
  }
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const leave = () => void reader.cancel().catch(() => {});
  gone.addEventListener("abort", leave, { once: true });
  if (gone.aborted) leave();
  for (let part = await reader.read(); part.value !== undefined; part = await reader.read()) {
    writer.write(part.value);
  }
}
