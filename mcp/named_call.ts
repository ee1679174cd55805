/** What a governed request names, and what of it the checks see. */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { MessageError, parseToolCallParams, type RequestMessage, type ToolCallParams } from "./message.ts";
import { RPC } from "./refusals.ts";

/** The member of `params` that names what a method is about. */
const NAMED_BY: ReadonlyMap<string, "name" | "uri" | "ref"> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["resources/subscribe", "uri"],
  ["resources/unsubscribe", "uri"],
  ["completion/complete", "ref"],
]);

const MAX_NAME_LENGTH = 256;
const MAX_URI_LENGTH = 2048;
const PROMPT = "intentgate/prompt", MEMORY = "intentgate/memory";

/** Whether a request of this method is a call, decided and recorded like `tools/call`. */
export function isGoverned(method: string): boolean {
  return NAMED_BY.has(method);
}

/** The params of a governed request; throws `MessageError`. */
export function parseCallParams(message: RequestMessage): ToolCallParams {
  const refuse = (text: string) => new MessageError(RPC.invalidParams, text, message.id);
  const params = message.params ?? {};
  const answers = inputResponsesOf(params, refuse);
  if (message.method === "tools/call") return { ...parseToolCallParams(message), ...answers };
  const meta = isJsonObject(params._meta) ? params._meta : {};
  const said = { prompt: meta[PROMPT], memory: meta[MEMORY], ...answers };
  switch (NAMED_BY.get(message.method)) {
    case "name": {
      const given = params.arguments ?? {};
      if (!isJsonObject(given)) throw refuse('"params.arguments" is not an object');
      return { name: textOf(params.name, "params.name", MAX_NAME_LENGTH, refuse), arguments: given, ...said };
    }
    case "uri":
      return { name: textOf(params.uri, "params.uri", MAX_URI_LENGTH, refuse), arguments: {}, ...said };
    case "ref": {
      const { _meta, ...given } = params;
      return { name: completedName(given.ref, refuse), arguments: given, ...said };
    }
    default:
      throw new TypeError(`"${message.method}" names nothing`);
  }
}

type Refuse = (text: string) => MessageError;

/** In both eras: what an upstream may act on must not pass unseen, whatever version the client speaks. */
function inputResponsesOf(
  { inputResponses }: JsonObject,
  refuse: Refuse,
): Pick<ToolCallParams, "inputResponses"> {
  if (inputResponses === undefined) return {};
  if (!isJsonObject(inputResponses)) throw refuse('"params.inputResponses" is not an object');
  return { inputResponses };
}

/** What is completed: a prompt by its name, a resource by its URI or the template of it. */
function completedName(ref: JsonValue | undefined, refuse: Refuse): string {
  const given: JsonObject = isJsonObject(ref) ? ref : {};
  if (given.type === "ref/prompt") return textOf(given.name, "params.ref.name", MAX_NAME_LENGTH, refuse);
  if (given.type === "ref/resource") return textOf(given.uri, "params.ref.uri", MAX_URI_LENGTH, refuse);
  throw refuse('"params.ref.type" is neither "ref/prompt" nor "ref/resource"');
}

function textOf(value: JsonValue | undefined, name: string, maxLength: number, refuse: Refuse): string {
  if (typeof value !== "string" || value === "" || value.length > maxLength || value.includes("\0")) {
    throw refuse(`"${name}" is not a text of 1 to ${maxLength} characters without U+0000`);
  }
  return value;
}
