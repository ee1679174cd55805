/**
 * The gateway as an OAuth client of an upstream's authorization server: the client credentials grant (RFC 6749, section
 * 4.4) with a resource indicator (RFC 8707). Neither secret nor token is ever part of a message.
 */
import { Buffer } from "node:buffer";
import { isJsonObject } from "../../core/json.ts";

/** How the gateway is known to an authorization server. */
export interface OauthClientSettings {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientAuth: "basic" | "post";
  readonly scope?: string;
  readonly resource?: string;
}

/** No token could be got; the message is for operators. */
export class OauthError extends Error {
  override readonly name = "OauthError";
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_TOKEN_LENGTH = 16 * 1024;
/** A token whose life the server does not tell. */
const DEFAULT_LIFE_S = 300;
const MAX_LIFE_S = 86_400;
/** A token is not used in the last part of its life: a tenth, at most a minute. */
const LONGEST_MARGIN_MS = 60_000;
/** After a failure the server is left alone for so long. */
const RETRY_AFTER_MS = 1_000;

/** Gets tokens and keeps the newest until shortly before it expires; one request at a time. */
export class OauthClient {
  readonly #settings: OauthClientSettings;
  readonly #steadyMs: () => number;
  #token: { readonly text: string; readonly untilMs: number } | undefined;
  #fetching: Promise<string> | undefined;
  #failure: { readonly error: OauthError; readonly untilMs: number } | undefined;

  constructor(settings: OauthClientSettings, steadyMs: () => number) {
    this.#settings = settings;
    this.#steadyMs = steadyMs;
  }

  /** A token that is still good; throws `OauthError`. */
  async token(): Promise<string> {
    const now = this.#steadyMs();
    if (this.#token !== undefined && now < this.#token.untilMs) return this.#token.text;
    if (this.#failure !== undefined && now < this.#failure.untilMs) throw this.#failure.error;
    this.#fetching ??= this.#fetch().finally(() => this.#fetching = undefined);
    return await this.#fetching;
  }

  /** The upstream refused the token: the next call gets another. */
  forget(): void {
    this.#token = undefined;
  }

  async #fetch(): Promise<string> {
    const startedMs = this.#steadyMs();
    try {
      const { text, lifeMs } = await this.#request();
      this.#failure = undefined;
      this.#token = { text, untilMs: startedMs + lifeMs - Math.min(lifeMs / 10, LONGEST_MARGIN_MS) };
      return text;
    } catch (cause) {
      const error = cause instanceof OauthError ? cause : this.#error("no answer", cause);
      this.#failure = { error, untilMs: this.#steadyMs() + RETRY_AFTER_MS };
      throw error;
    }
  }

  async #request(): Promise<{ readonly text: string; readonly lifeMs: number }> {
    const { tokenUrl, scope, resource, clientAuth, clientId, clientSecret } = this.#settings;
    const form = new URLSearchParams({ grant_type: "client_credentials" });
    if (scope !== undefined) form.set("scope", scope);
    if (resource !== undefined) form.set("resource", resource);
    const headers = new Headers({ accept: "application/json", "user-agent": "intentgate" });
    if (clientAuth === "basic") headers.set("authorization", basic(clientId, clientSecret));
    else {
      form.set("client_id", clientId);
      form.set("client_secret", clientSecret);
    }
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(tokenUrl, {
      method: "POST",
      headers,
      body: form,
      redirect: "manual",
      signal,
    });
    return this.#read(response.status, await readBounded(response));
  }

  #read(status: number, text: string | undefined): { readonly text: string; readonly lifeMs: number } {
    const answer = parsed(text);
    if (status !== 200) {
      const code = typeof answer.error === "string" && /^[\x20-\x7e]{1,100}$/.test(answer.error)
        ? `, ${answer.error}`
        : "";
      throw this.#error(`HTTP ${status}${code}`);
    }
    const { access_token: token, token_type: type, expires_in: life } = answer;
    if (typeof type !== "string" || type.toLowerCase() !== "bearer") throw this.#error("not a bearer token");
    if (typeof token !== "string" || token.length > MAX_TOKEN_LENGTH || !/^[\x21-\x7e]+$/.test(token)) {
      throw this.#error("no usable access_token");
    }
    const seconds = Number.isFinite(Number(life ?? NaN)) ? Number(life) : DEFAULT_LIFE_S;
    return { text: token, lifeMs: Math.max(0, Math.min(seconds, MAX_LIFE_S)) * 1000 };
  }

  #error(why: string, cause?: unknown): OauthError {
    const { origin, pathname } = new URL(this.#settings.tokenUrl);
    return new OauthError(`Cannot get a token from "${origin}${pathname}": ${why}`, { cause });
  }
}

/** RFC 6749, section 2.3.1: both parts are form-encoded before they are joined. */
function basic(id: string, secret: string): string {
  const encode = (text: string) => new URLSearchParams({ x: text }).toString().slice(2);
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString("base64")}`;
}

function parsed(text: string | undefined): { readonly [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** The body as text, `undefined` when it is too long. */
async function readBounded(response: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
