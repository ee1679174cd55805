/** Talks to the admin API of a running gateway, as the commands that ask one do. */
import { GatewayError } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { brokenConnection, readAnswer } from "./admin_answer.ts";
import { type OptionDeclarations, type Terminal, UsageError } from "./command.ts";
import { eventMessages } from "./event_messages.ts";
import { localUrl, parseListen } from "./listener.ts";
import { readSecret } from "./secrets.ts";

/** Options of every command that asks a gateway. */
export const CONNECTION_OPTIONS = {
  url: { kind: "text", value: "URL", help: "Address of the gateway's admin API.", env: "INTENTGATE_URL" },
  json: { kind: "flag", help: "Print the answer as one JSON document, for scripts." },
} as const satisfies OptionDeclarations;

/** The option of every command that prints a list. */
export const LIMIT_OPTION = {
  limit: { kind: "number", value: "N", help: "Print at most so many." },
} as const satisfies OptionDeclarations;

/** Rows of a listing; `next_after` is where the rest begins, null when there is none. */
export interface Listed {
  readonly rows: readonly JsonObject[];
  readonly next_after: string | number | null;
}

/** What a request needs beside its path. */
interface Asked {
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: JsonObject;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
const EVENT_STREAM = "text/event-stream";
const RETRY_AFTER_MS = 250;
/** How often a change is asked after that an earlier, broken connection began. */
const MAX_WAITS = 40;
/** The most that the admin API gives in one answer. */
const PAGE_ROWS = 1000;

/** The admin API behind one address, for one operator. */
export class AdminClient {
  readonly #base: string;
  readonly #whence: string;
  readonly #token: string;
  readonly #tokenFrom: string;

  private constructor(base: string, whence: string, token: string, tokenFrom: string) {
    [this.#base, this.#whence, this.#token, this.#tokenFrom] = [base, whence, token, tokenFrom];
  }

  /** `url` is what `--url` or INTENTGATE_URL says; the token comes from its variable, its file or the data folder. */
  static async open(terminal: Terminal, url: string | undefined): Promise<AdminClient> {
    const base = baseOf(terminal, url);
    const whence = url === undefined
      ? "the address of this environment's own gateway; for another one set INTENTGATE_URL"
      : url === terminal.env.INTENTGATE_URL
      ? "from INTENTGATE_URL"
      : "from --url";
    const { token, from } = await operatorToken(terminal);
    return new AdminClient(base, whence, token, from);
  }

  /** Reads one thing. */
  async get(path: string, query: Asked["query"] = {}, timeoutMs = TIMEOUT_MS): Promise<JsonObject> {
    return await this.#ask("GET", path, { query, timeoutMs }, {});
  }

  /** Reads one thing that takes long; `onProgress` gets what the gateway tells on the way, if it does. */
  async watch(
    path: string,
    query: NonNullable<Asked["query"]>,
    timeoutMs: number,
    onProgress: (progress: JsonObject) => void,
  ): Promise<JsonObject> {
    const silence = createSilence(timeoutMs);
    try {
      const response = await this.#send("GET", path, { query }, { accept: EVENT_STREAM }, silence.signal);
      if (!response.ok || response.headers.get("content-type") !== EVENT_STREAM || response.body === null) {
        const text = await response.text();
        return readAnswer({ response, text, base: this.#base, tokenFrom: this.#tokenFrom });
      }
      for await (const { event, data } of eventMessages(response.body)) {
        silence.broken();
        const told = data === "" ? undefined : JSON.parse(data);
        if (event === "progress" && isJsonObject(told)) onProgress(told);
        if (event === "report" && isJsonObject(told)) return told;
      }
      throw new TypeError("the answer ended before it was whole");
    } catch (error) {
      throw error instanceof GatewayError ? error : this.#broken(error);
    } finally {
      silence.end();
    }
  }

  /** Reads a short text that is no JSON, without its last line break. */
  async text(path: string, query: Asked["query"] = {}): Promise<string> {
    const text = await (await this.file(path, query)).text();
    return text.replace(/\n$/, "");
  }

  /** Reads a file; its body comes as it is taken, however long that is. */
  async file(
    path: string,
    query: Asked["query"] = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const aborter = new AbortController();
    const timer = setTimeout(() => aborter.abort(new DOMException("no answer", "TimeoutError")), TIMEOUT_MS);
    try {
      const response = await this.#send("GET", path, { query }, headers, aborter.signal);
      if (response.ok && !/json/.test(response.headers.get("content-type") ?? "")) return response;
      const answer = { response, text: await response.text(), base: this.#base, tokenFrom: this.#tokenFrom };
      readAnswer(response.ok ? { ...answer, text: "" } : answer); // throws
      throw new GatewayError("internal", "Expected a file from the gateway");
    } catch (error) {
      throw error instanceof GatewayError ? error : this.#broken(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Changes something, once: a connection that breaks is tried again with the same idempotency key. */
  async write(
    method: "POST" | "PATCH" | "PUT" | "DELETE",
    path: string,
    body?: JsonObject,
    timeoutMs = TIMEOUT_MS,
  ): Promise<JsonObject> {
    const key = { "idempotency-key": `"${crypto.randomUUID()}"` };
    return await this.#ask(method, path, body === undefined ? { timeoutMs } : { body, timeoutMs }, key);
  }

  /** The rows of a listing, page by page, up to a limit; `member` names what holds them in the answer. */
  async list(
    path: string,
    member: string,
    query: Asked["query"] = {},
    limit = Number.POSITIVE_INFINITY,
  ): Promise<Listed> {
    const rows: JsonObject[] = [];
    let after = query.after;
    while (true) {
      const page = await this.get(path, { ...query, after, limit: Math.min(PAGE_ROWS, limit - rows.length) });
      if (!Array.isArray(page[member])) {
        throw new GatewayError("internal", `The answer of the gateway has no list "${member}"`);
      }
      rows.push(...(page[member] as readonly unknown[]).filter(isJsonObject));
      const next = page.next_after;
      if (typeof next !== "string" && typeof next !== "number") return { rows, next_after: null };
      if (rows.length >= limit) return { rows, next_after: next };
      after = next;
    }
  }

  async #ask(
    method: string,
    path: string,
    asked: Asked,
    headers: Readonly<Record<string, string>>,
  ): Promise<JsonObject> {
    const once = () => this.#fetch(method, path, asked, headers);
    let answer = await once().catch(async (error) => {
      if (!(error instanceof TypeError)) throw this.#broken(error);
      await pause();
      return await once().catch((again) => {
        throw this.#broken(again);
      });
    });
    for (let waits = 0; isInFlight(answer) && waits < MAX_WAITS; waits++) {
      await pause();
      answer = await once().catch((error) => {
        throw this.#broken(error);
      });
    }
    return readAnswer({ ...answer, base: this.#base, tokenFrom: this.#tokenFrom });
  }

  async #fetch(
    method: string,
    path: string,
    asked: Asked,
    headers: Readonly<Record<string, string>>,
  ) {
    const signal = AbortSignal.timeout(asked.timeoutMs ?? TIMEOUT_MS);
    const response = await this.#send(method, path, asked, headers, signal);
    return { response, text: await response.text() };
  }

  async #send(
    method: string,
    path: string,
    { query = {}, body }: Asked,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) search.set(name, String(value));
    }
    return await fetch(`${this.#base}/api/v1${path}${search.size === 0 ? "" : `?${search}`}`, {
      ...{ method, redirect: "manual" },
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
  }

  #broken(cause: unknown): GatewayError {
    return brokenConnection(this.#base, this.#whence, cause);
  }
}

/** Aborts when nothing has come for so long. */
function createSilence(timeoutMs: number) {
  const aborter = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => clearTimeout(timer);
  const broken = () => {
    end();
    timer = setTimeout(() => aborter.abort(new DOMException("no answer", "TimeoutError")), timeoutMs);
  };
  broken();
  return { signal: aborter.signal, broken, end };
}

/** Tells the person that there is more than was printed; not the script, which finds `next_after` in the document. */
export function sayMore(terminal: Terminal, { next_after: next }: Listed): void {
  if (next !== null) {
    terminal.complain(`There are more: --after ${next} goes on here, a larger --limit prints them`);
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
}

/** Whether the gateway still works on what a broken connection asked for. */
function isInFlight({ response, text }: { readonly response: Response; readonly text: string }): boolean {
  return response.status === 409 && text.includes("idempotency_in_flight");
}

/** The address without a final slash. */
function baseOf(terminal: Terminal, url: string | undefined): string {
  if (url === undefined) {
    const listen = terminal.env.INTENTGATE_ADMIN_LISTEN ?? terminal.env.INTENTGATE_LISTEN ?? "127.0.0.1:8080";
    return localUrl(parseListen(listen));
  }
  const parsed = URL.parse(url);
  const isHttp = parsed !== null && ["http:", "https:"].includes(parsed.protocol);
  if (!isHttp || parsed.search !== "" || parsed.hash !== "") {
    const hint = /^[\w.-]+(:\d+)?$/.test(url) ? `; did you mean "http://${url}"?` : "";
    throw new UsageError(`Expected a URL like http://127.0.0.1:8080, found "${url.slice(0, 100)}"${hint}`);
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw new UsageError("Expected a URL without user and password: the operator token says who you are");
  }
  return parsed.href.replace(/\/+$/, "");
}

async function operatorToken(terminal: Terminal): Promise<{ readonly token: string; readonly from: string }> {
  const given = await readSecret(terminal, "INTENTGATE_OPERATOR_TOKEN");
  if (given !== undefined) {
    const isFile = (terminal.env.INTENTGATE_OPERATOR_TOKEN ?? "") === "";
    return { token: sendable(given.trim()), from: `INTENTGATE_OPERATOR_TOKEN${isFile ? "_FILE" : ""}` };
  }
  const path = `${terminal.env.INTENTGATE_DATA_DIR ?? "./.intentgate"}/operator_token`;
  try {
    return { token: sendable((await terminal.readTextFile(path)).trim()), from: `the file "${path}"` };
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new GatewayError(
      "config_invalid",
      "Cannot find the operator token: set INTENTGATE_OPERATOR_TOKEN or INTENTGATE_OPERATOR_TOKEN_FILE, or run " +
        `where "${path}" can be read`,
      { cause },
    );
  }
}

/** What a header can carry; the token itself is never repeated. */
function sendable(token: string): string {
  if (/^[\x21-\x7e]{1,512}$/.test(token)) return token;
  throw new UsageError("Expected an operator token of 1 to 512 printable ASCII characters without spaces");
}
