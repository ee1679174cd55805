/** What tests of links use again and again. */
import type { JsonObject } from "../../core/json.ts";
import type { LinkAnswer, LinkRequest, UpstreamInfo, UpstreamLink } from "../upstream_link.ts";

/** A request with everything that a test does not care about. */
export function requestOf(method: string, changes: Partial<LinkRequest> = {}): LinkRequest {
  return {
    ...{ method, params: {}, client: { capabilities: {}, traceHeaders: {} } },
    ...{ signal: new AbortController().signal, timeoutMs: 5_000, ...changes },
  };
}

/** A result as a link gives it. */
export function resultOf(result: JsonObject): LinkAnswer {
  return { kind: "result", result, text: JSON.stringify(result) };
}

/** A link that answers as it is told. */
export function fakeLink(
  era: UpstreamInfo["era"],
  answer: (request: LinkRequest) => Promise<LinkAnswer> = () => Promise.resolve(resultOf({})),
): UpstreamLink & { breakOff(code: string): void } {
  const gone = Promise.withResolvers<string>();
  let isOpen = true;
  const end = (code: string) => {
    isOpen = false;
    gone.resolve(code);
  };
  return {
    info: {
      ...{ era, protocolVersion: era === "modern" ? "2026-07-28" : "2025-11-25" },
      ...{ serverInfo: { name: "fake", version: "1" }, capabilities: { tools: {} } },
    },
    request: answer,
    notify: () => Promise.resolve(),
    listen: () => Promise.resolve(() => {}),
    isOpen: () => isOpen,
    gone: gone.promise,
    close: () => Promise.resolve(end("closed")),
    breakOff: end,
  };
}

/** Waits until something holds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${what} did not happen`);
}
