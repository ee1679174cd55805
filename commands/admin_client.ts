/** Talks to the admin API of a running gateway, as the commands that change something do. */
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { GatewayError } from "../core/errors.ts";
import type { Terminal } from "./command.ts";
import { localUrl, parseListen } from "./listener.ts";
import { readSecret } from "./secrets.ts";

/** Help of the options that every command with a connection has. */
export const CONNECTION_USAGE = [
  "  --url URL          the gateway; default INTENTGATE_URL, else the listener's address",
  "  --json             print the whole answer as JSON",
  "",
  "The operator token comes from INTENTGATE_OPERATOR_TOKEN(_FILE) or <data dir>/operator_token.",
].join("\n");

/** Posts a body, see `adminRequest`. */
export function adminPost(
  terminal: Terminal,
  url: string | undefined,
  path: string,
  body: JsonObject,
): Promise<JsonObject> {
  return adminRequest(terminal, url, "POST", path, body);
}

/** All rows of a listing, page by page; `rows` names the member that holds them. */
export async function adminList(
  terminal: Terminal,
  url: string | undefined,
  path: string,
  rows: string,
): Promise<readonly JsonObject[]> {
  const found: JsonObject[] = [];
  let query = "limit=1000";
  while (true) {
    const page = await adminRequest(terminal, url, "GET", `${path}?${query}`);
    found.push(...page[rows] as JsonObject[]);
    const after = page.next_after;
    if (after === null || after === undefined) return found;
    query = `limit=1000&after=${encodeURIComponent(String(after))}`;
  }
}

/** Where the gateway is and who asks: `--url` or INTENTGATE_URL or the listener; token by variable, file or data folder. */
export async function adminRequest(
  terminal: Terminal,
  url: string | undefined,
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  body?: JsonObject,
): Promise<JsonObject> {
  const base = url ?? terminal.env.INTENTGATE_URL ??
    localUrl(
      parseListen(terminal.env.INTENTGATE_ADMIN_LISTEN ?? terminal.env.INTENTGATE_LISTEN ?? "127.0.0.1:8080"),
    );
  const token = await operatorToken(terminal);
  let response: Response;
  try {
    response = await fetch(new URL(path, base), {
      method,
      redirect: "manual",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
  } catch (cause) {
    throw new GatewayError("internal", `Cannot reach the gateway at "${base}"`, { cause });
  }
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok && isJsonObject(answer)) return answer;
  const detail = isJsonObject(answer) ? String(answer.detail ?? answer.title) : response.statusText;
  throw new GatewayError("internal", `The gateway refused with status ${response.status}: ${detail}`);
}

async function operatorToken(terminal: Terminal): Promise<string> {
  const given = await readSecret(terminal, "INTENTGATE_OPERATOR_TOKEN");
  if (given !== undefined) return given;
  const path = `${terminal.env.INTENTGATE_DATA_DIR ?? "./.intentgate"}/operator_token`;
  try {
    return (await terminal.readTextFile(path)).trim();
  } catch (cause) {
    throw new GatewayError(
      "config_invalid",
      `Cannot find the operator token: set INTENTGATE_OPERATOR_TOKEN, or run where "${path}" exists`,
      { cause },
    );
  }
}
