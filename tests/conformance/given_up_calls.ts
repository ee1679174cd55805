/** Tells client programs when an upstream has got their call, and when it knows that the call was given up. */
import type { JsonObject } from "../../core/json.ts";
import { isJsonObject } from "../../core/json.ts";
import type { Fixture } from "./fixtures/legacy_server.ts";

/** A running watch. */
export interface GivenUpCalls {
  /** Answers once an upstream has got the call that this word marks, or after a while without it. */
  begunUrl(mark: string): string;
  /** The same for its cancellation. */
  cancelledUrl(mark: string): string;
  stop(): Promise<void>;
}

/** Programs go on without an answer after this: what the upstream saw is asserted on it. */
const PATIENCE_MS = 20_000;

/** Watches the upstreams for calls whose argument `mark` is the word. */
export function watchGivenUpCalls(upstreams: readonly Fixture[]): GivenUpCalls {
  const seen = {
    begun: (mark: string) => upstreams.some(({ calls }) => hasMark(calls, mark)),
    cancelled: (mark: string) => upstreams.some(({ cancelled }) => hasMark(cancelled, mark)),
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const isSeen = pathname === "/begun" ? seen.begun : seen.cancelled;
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline && !isSeen(searchParams.get("mark") ?? "")) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return new Response("seen, or given up\n");
  });
  const url = (path: string, mark: string) =>
    `http://127.0.0.1:${server.addr.port}/${path}?mark=${encodeURIComponent(mark)}`;
  return {
    begunUrl: (mark) => url("begun", mark),
    cancelledUrl: (mark) => url("cancelled", mark),
    stop: () => server.shutdown(),
  };
}

/** Whether one of these `params` of calls carries the word. */
export function hasMark(calls: readonly JsonObject[], mark: string): boolean {
  return calls.some(({ arguments: given }) => isJsonObject(given) && given.mark === mark);
}
