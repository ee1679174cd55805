/** One HTTP request to a checkpoint place: bounded in time and size, and never led anywhere else. */
import { PlaceError } from "./place.ts";

/** What a place answered. */
export interface PlaceAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface PlaceRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly headers: Headers | Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A cosignature has 200 bytes, a checkpoint some hundred. */
const MAX_PLACE_ANSWER_BYTES = 64 * 1024;

/** Sends it; throws `PlaceError`, whose message has no address in it: the path of a webhook may be a secret. */
export async function askPlace(url: string | URL, request: PlaceRequest): Promise<PlaceAnswer> {
  const { method, headers, body, timeoutMs } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      ...{ method, redirect: "manual", signal: AbortSignal.any([timeout, request.signal]) },
      headers: { "user-agent": "intentgate", ...Object.fromEntries(new Headers(headers)) },
      ...(body === undefined ? {} : { body }),
    });
    const text = await boundedText(response);
    return { status: response.status, headers: response.headers, text };
  } catch (error) {
    if (error instanceof PlaceError) throw error;
    if (timeout.aborted) throw new PlaceError(`Expected an answer within ${timeoutMs} ms, got none`, true);
    throw new PlaceError(`Cannot reach it: ${reasonOf(error)}`, true);
  }
}

/** What went wrong with an answer. A redirect is named: following it would give our request to somebody else. */
export function refusedBy({ status, text, headers }: PlaceAnswer): PlaceError {
  const { detail } = /<Code>(?<detail>[A-Za-z0-9]{1,60})<\/Code>/.exec(text)?.groups ?? {};
  const said = detail ?? (headers.get("content-type")?.startsWith("text/plain") ? text.trim() : "");
  const shown = said.replaceAll(/[^\x20-\x7e]+/g, " ").slice(0, 120);
  const redirected = status >= 300 && status < 400 ? ", a redirect, which is not followed" : "";
  const isDown = status === 429 || status >= 500;
  return new PlaceError(`It answered ${status}${redirected}${shown === "" ? "" : ` (${shown})`}`, isDown);
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let [text, length] = ["", 0];
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_PLACE_ANSWER_BYTES) {
      throw new PlaceError(`Expected at most ${MAX_PLACE_ANSWER_BYTES} bytes of answer, got more`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The innermost reason, such as "Connection refused (os error 111)". */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [, last = ""] = /^.*url \(.*\): (.*)$/s.exec(message) ?? ["", /:\/\//.test(message) ? "" : message];
  return last.slice(0, 160) || "no connection";
}
