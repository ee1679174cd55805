/** What the admin API answered, or why it could not be asked, in words for the person at the terminal. */
import { GatewayError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

/** One answer, and where the request went with what. */
export interface Answer {
  readonly response: Pick<Response, "status" | "ok" | "headers">;
  readonly text: string;
  readonly base: string;
  readonly tokenFrom: string;
}

/** The answer's document; throws what the gateway had against the request, with what can be done about it. */
export function readAnswer({ response, text, base, tokenFrom }: Answer): JsonObject {
  const { status, ok, headers } = response;
  const body = parsed(text);
  if (ok && isJsonObject(body)) return body;
  if (!isJsonObject(body) || body.status !== status) throw notTheApi(base, status, headers);
  const lines = [`The gateway refused with status ${status}: ${problemText(body)}`];
  const hint = hintFor(status, headers, tokenFrom);
  if (hint !== undefined) lines.push(hint);
  throw new GatewayError("internal", lines.join("\n"));
}

/** The detail of a problem; where it lists errors, one line for each. */
function problemText(problem: JsonObject): string {
  const detail = String(problem.detail ?? problem.title ?? "no reason given");
  const errors = Array.isArray(problem.errors) ? problem.errors.filter(isJsonObject) : [];
  if (errors.length < 2) return detail;
  const lines = errors.map(({ pointer, detail }) =>
    `  ${pointer === "" ? "the request" : pointer}: ${detail}`
  );
  return [`${errors.length} things are wrong`, ...lines].join("\n");
}

function hintFor(status: number, headers: Headers, tokenFrom: string): string | undefined {
  if (status === 401) return `The operator token came from ${tokenFrom}; it is unknown, expired or deleted`;
  if (status === 403) return '"intentgate operator whoami" shows the role and the tenants of your token';
  const seconds = headers.get("retry-after");
  return /^\d+$/.test(seconds ?? "") ? `Try again in ${seconds} seconds` : undefined;
}

function notTheApi(base: string, status: number, headers: Headers): GatewayError {
  const location = headers.get("location");
  const found = location !== null && status >= 300 && status < 400
    ? `a redirect to "${location.slice(0, 200)}"`
    : `status ${status} with content type "${(headers.get("content-type") ?? "none").slice(0, 100)}"`;
  return new GatewayError(
    "internal",
    `Expected the admin API of a gateway at "${base}", found ${found}\n` +
      "Check the address; with INTENTGATE_ADMIN_LISTEN set, the admin API has an address of its own",
  );
}

/** Why no answer came; `whence` says where the address came from. */
export function brokenConnection(base: string, whence: string, cause: unknown): GatewayError {
  const reason = reasonOf(cause);
  const message = `Cannot reach the gateway at "${base}" (${whence}): ${reason}`;
  const hint = connectionHint(reason);
  return new GatewayError("internal", hint === undefined ? message : `${message}\n${hint}`);
}

function connectionHint(reason: string): string | undefined {
  if (/certificate|UnknownIssuer/i.test(reason)) {
    return "If an authority of your own signed the certificate, set DENO_CERT to the authority's PEM file";
  }
  if (/InvalidContentType|corrupt message|wrong version/i.test(reason)) {
    return "Something without TLS answers there: try http:// instead of https://";
  }
  if (/refused/i.test(reason)) {
    return `Nothing listens there: is the gateway running? "intentgate serve" starts one`;
  }
  if (/timed out/i.test(reason)) {
    return "The gateway may be overloaded, or a firewall drops what is sent to it";
  }
  return undefined;
}

/** The innermost of the reasons that `fetch` strings together. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "no reason given";
  if (error.name === "TimeoutError") return "the request timed out";
  if (error.cause instanceof Error) return reasonOf(error.cause);
  const inner = /client error \(\w+\): (.*)$/s.exec(error.message)?.[1] ?? error.message;
  return inner.slice(0, 300);
}

function parsed(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
