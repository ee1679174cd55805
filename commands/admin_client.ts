/** Talks to the admin API of a running gateway, as the commands that change something do. */
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { GatewayError } from "../core/errors.ts";
import type { Terminal } from "./command.ts";
import { localUrl, parseListen } from "./listener.ts";
import { readSecret } from "./secrets.ts";

/** Where the gateway is and who asks: `--url` or INTENTGATE_URL or the listener; token by variable, file or data folder. */
export async function adminPost(
  terminal: Terminal,
  url: string | undefined,
  path: string,
  body: JsonObject,
): Promise<JsonObject> {
  const base = url ?? terminal.env.INTENTGATE_URL ??
    localUrl(parseListen(terminal.env.INTENTGATE_LISTEN ?? "127.0.0.1:8080"));
  const token = await operatorToken(terminal);
  let response: Response;
  try {
    response = await fetch(new URL(path, base), {
      method: "POST",
      redirect: "manual",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
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
