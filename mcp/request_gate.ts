/** What is checked about an HTTP request before its body means anything. */
import { concatBytes } from "../core/bytes.ts";
import type { MessageError } from "./message.ts";
import { RPC, rpcError } from "./refusals.ts";

export interface HostRules {
  /** Host names, or `name:port`, accepted in Host and Origin. */
  readonly allowedHosts: readonly string[];
  /** On a loopback listener the loopback names are accepted with any port. */
  readonly isLoopbackListener: boolean;
}

export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly bodyTimeoutMs: number;
  /** Asked once, before more than `SMALL_BODY` is read: the answer to a sender who may not send that much. */
  readonly refuseLarge: () => Promise<Response | undefined>;
}

/** A body up to this many bytes is read in one go, and before its sender is authenticated. */
const SMALL_BODY = 64 * 1024;
const LOOPBACK_NAMES = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Refuses a Host or Origin that is not ours: DNS rebinding makes a browser send both. */
export function refuseForeignHost(request: Request, rules: HostRules): Response | undefined {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  if (!isAllowedHost(host, rules)) return rpcError(403, RPC.badRequest, "The Host is not allowed");
  const origin = request.headers.get("origin");
  if (origin !== null && !isAllowedHost(hostOfOrigin(origin), rules)) {
    return rpcError(403, RPC.badRequest, "The Origin is not allowed");
  }
  return undefined;
}

/** Refuses a POST whose content type or accepted types are not those of MCP. */
export function refuseForeignTypes(request: Request): Response | undefined {
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get("content-type") ?? "")) {
    return rpcError(415, RPC.badRequest, "Content-Type must be application/json");
  }
  // As the official SDKs write it: no need to take it apart.
  if (request.headers.get("accept") === "application/json, text/event-stream") return undefined;
  const accepted = acceptedTypes(request);
  if (!accepted.has("application/json") || !accepted.has("text/event-stream")) {
    return rpcError(406, RPC.badRequest, "Accept must list application/json and text/event-stream");
  }
  return undefined;
}

/** The media types of the Accept header, without those of quality 0. */
export function acceptedTypes(request: Request): ReadonlySet<string> {
  const ranges = (request.headers.get("accept") ?? "").toLowerCase().split(",").map((range) =>
    range.split(";")
  );
  const wanted = ranges.filter(([, ...parameters]) =>
    !parameters.some((text) => /^\s*q\s*=\s*0(\.0*)?\s*$/.test(text))
  );
  return new Set(wanted.map(([type = ""]) => type.trim()));
}

/** The body, read once and bounded; a response when it is too long, too slow, or breaks off. */
export async function readBody(
  request: Request,
  limits: BodyLimits,
): Promise<Uint8Array<ArrayBuffer> | Response> {
  const declared = Number(request.headers.get("content-length") ?? "0");
  if (declared > limits.maxBodyBytes) return tooLarge(limits);
  if (declared > 0 && declared <= SMALL_BODY) return await readWhole(request, limits);
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  let refused: Response | undefined;
  const mayGoOn = async () => (refused = await limits.refuseLarge()) === undefined;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reader.cancel().catch(() => {});
  }, limits.bodyTimeoutMs);
  try {
    const bytes = await readBounded(reader, limits.maxBodyBytes, mayGoOn);
    if (refused !== undefined) return refused;
    if (isLate) return rpcError(408, RPC.badRequest, "The body took too long");
    return bytes ?? tooLarge(limits);
  } catch {
    return rpcError(400, RPC.parseError, "The body broke off");
  } finally {
    clearTimeout(timer);
  }
}

/** One read of a small body costs the runtime much less than a stream; HTTP holds it to its length. */
function readWhole(request: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer> | Response> {
  return new Promise((resolve) => {
    const late = () => resolve(rpcError(408, RPC.badRequest, "The body took too long"));
    const timer = setTimeout(late, limits.bodyTimeoutMs);
    const end = (body: Uint8Array<ArrayBuffer> | Response) => {
      clearTimeout(timer);
      resolve(body);
    };
    request.arrayBuffer().then(
      (buffer) => end(buffer.byteLength > limits.maxBodyBytes ? tooLarge(limits) : new Uint8Array(buffer)),
      () => end(rpcError(400, RPC.parseError, "The body broke off")),
    );
  });
}

/**
 * All bytes of a stream, `undefined` (and the stream cancelled) when there are more than `maxBytes`, or more than
 * `SMALL_BODY` and `mayGoOn` says no.
 */
export async function readBounded(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
  mayGoOn: () => Promise<boolean>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  let isLarge = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    const becomesLarge: boolean = !isLarge && length > SMALL_BODY;
    isLarge ||= becomesLarge;
    if (length > maxBytes || (becomesLarge && !await mayGoOn())) {
      reader.cancel().catch(() => {});
      return undefined;
    }
    parts.push(value);
  }
  return concatBytes(parts);
}

/** The answer to a message that is refused before anybody is asked. */
export function malformed(error: MessageError): Response {
  return rpcError(400, error.code, error.message, error.id);
}

/** The bearer token of the Authorization header; nothing else counts. */
export function bearerCredential(request: Request): string | undefined {
  return /^bearer +([^\s,]+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

function isAllowedHost(host: string, rules: HostRules): boolean {
  const withPort = host.toLowerCase();
  const name = withPort.replace(/:\d+$/, "");
  if (rules.isLoopbackListener && LOOPBACK_NAMES.has(name)) return true;
  return rules.allowedHosts.some((allowed) =>
    allowed.toLowerCase() === name || allowed.toLowerCase() === withPort
  );
}

function hostOfOrigin(origin: string): string {
  try {
    const url = new URL(origin);
    return url.protocol === "http:" || url.protocol === "https:" ? url.host : "";
  } catch {
    return "";
  }
}

function tooLarge(limits: BodyLimits): Response {
  return rpcError(413, RPC.badRequest, `The body is longer than ${limits.maxBodyBytes} bytes`);
}
