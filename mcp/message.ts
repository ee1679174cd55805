/** One JSON-RPC message as it arrived, or the reason why it is none that may go on. */
import { DeclaredNames } from "../core/case_variants.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseStrictJsonBytes, StrictJsonError } from "../core/strict_json.ts";
import { type MessageId, RPC } from "./refusals.ts";

interface Body {
  /** The bytes of the body, exactly as received. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}
export interface RequestMessage extends Body {
  readonly kind: "request";
  readonly id: MessageId;
  readonly method: string;
  readonly params: JsonObject | undefined;
}
export interface NotificationMessage extends Body {
  readonly kind: "notification";
  readonly method: string;
  readonly params: JsonObject | undefined;
}
/** An answer of the client to a request of the server. */
export interface ResponseMessage extends Body {
  readonly kind: "response";
  readonly id: MessageId | undefined;
}
export type Message = RequestMessage | NotificationMessage | ResponseMessage;

/** The params of a well-formed `tools/call`. */
export interface ToolCallParams {
  readonly name: string;
  readonly arguments: JsonObject;
  readonly prompt: JsonValue | undefined;
  readonly memory: JsonValue | undefined;
  /** Answers to questions of the upstream. */
  readonly inputResponses?: JsonObject;
}

/** A message that is refused before anybody is asked; always HTTP 400. */
export class MessageError extends Error {
  override readonly name = "MessageError";
  constructor(readonly code: number, message: string, readonly id: MessageId | null = null) {
    super(message);
  }
}

const MAX_ID_LENGTH = 256;
const METHOD = /^[\x21-\x7e]{1,128}$/;
const MAX_NAME_LENGTH = 256;

const ENVELOPE = new DeclaredNames(["jsonrpc", "id", "method", "params", "result", "error"]);
const PARAMS = new DeclaredNames([
  ...[
    "name",
    "arguments",
    "_meta",
    "cursor",
    "task",
    "uri",
    "ref",
    "argument",
    "level",
    "requestId",
    "reason",
  ],
  ...["protocolVersion", "capabilities", "clientInfo", "inputResponses", "requestState"],
]);
const PROMPT = "intentgate/prompt", MEMORY = "intentgate/memory";
const META = new DeclaredNames([
  ...["progressToken", PROMPT, MEMORY, "io.modelcontextprotocol/protocolVersion"],
  ...["io.modelcontextprotocol/clientCapabilities", "io.modelcontextprotocol/clientInfo"],
]);
const CAPABILITIES = new DeclaredNames(["sampling", "elicitation", "roots", "tasks", "experimental"]);

/** Reads a body as one message; throws `MessageError`. */
export function parseMessage(bytes: Uint8Array<ArrayBuffer>): Message {
  const value = parseBody(bytes);
  if (Array.isArray(value)) throw new MessageError(RPC.invalidRequest, "Batches are not supported");
  if (!isJsonObject(value)) throw new MessageError(RPC.invalidRequest, "The body is not a JSON-RPC message");
  const id = readId(value.id);
  const refuse = (message: string, code: number = RPC.invalidRequest) =>
    new MessageError(code, message, id ?? null);
  refuseVariants(value, ENVELOPE, id);
  if (value.jsonrpc !== "2.0") throw refuse('"jsonrpc" is not "2.0"');
  const isAnswer = value.result !== undefined || value.error !== undefined;
  if (value.method === undefined && isAnswer) return { kind: "response", id, bytes };
  if (isAnswer) throw refuse('A message has either "method" or "result" and "error"');
  const method = value.method;
  if (typeof method !== "string" || !METHOD.test(method)) {
    throw refuse('"method" is not a text of 1 to 128 visible ASCII characters');
  }
  const params = readParams(value.params, id);
  refuseKindMismatch(method, id);
  if (id === undefined) return { kind: "notification", method, params, bytes };
  return { kind: "request", id, method, params, bytes };
}

/** Reads the params of a `tools/call`; throws `MessageError`. */
export function parseToolCallParams(message: RequestMessage): ToolCallParams {
  const refuse = (text: string) => new MessageError(RPC.invalidParams, text, message.id);
  const params = message.params ?? {};
  if (typeof params.name !== "string" || params.name.length === 0 || params.name.length > MAX_NAME_LENGTH) {
    throw refuse(`"params.name" is not a text of 1 to ${MAX_NAME_LENGTH} characters`);
  }
  if (params.name.includes("\0")) throw refuse('"params.name" contains U+0000');
  if (params.task !== undefined) throw refuse('"params.task" is not supported');
  const given = params.arguments === undefined ? {} : params.arguments;
  if (!isJsonObject(given)) throw refuse('"params.arguments" is not an object');
  const meta = isJsonObject(params._meta) ? params._meta : {};
  return { name: params.name, arguments: given, prompt: meta[PROMPT], memory: meta[MEMORY] };
}

function parseBody(bytes: Uint8Array): JsonValue {
  try {
    return parseStrictJsonBytes(bytes);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const isSyntax = error.code === "syntax" || error.code === "invalid_utf8" || error.code === "bom";
    throw new MessageError(isSyntax ? RPC.parseError : RPC.invalidRequest, error.message);
  }
}

function readId(id: JsonValue | undefined): MessageId | undefined {
  if (id === undefined) return undefined;
  if (typeof id === "number" && Number.isSafeInteger(id)) return id;
  if (typeof id === "string" && id.length <= MAX_ID_LENGTH) return id;
  throw new MessageError(
    RPC.invalidRequest,
    `"id" is neither an integer nor a text of at most ${MAX_ID_LENGTH} characters`,
  );
}

function readParams(params: JsonValue | undefined, id: MessageId | undefined): JsonObject | undefined {
  if (params === undefined) return undefined;
  if (!isJsonObject(params)) {
    throw new MessageError(RPC.invalidRequest, '"params" is not an object', id ?? null);
  }
  refuseVariants(params, PARAMS, id);
  if (params._meta !== undefined) {
    if (!isJsonObject(params._meta)) {
      throw new MessageError(RPC.invalidParams, '"params._meta" is not an object', id ?? null);
    }
    refuseVariants(params._meta, META, id);
  }
  if (isJsonObject(params.capabilities)) refuseVariants(params.capabilities, CAPABILITIES, id);
  return params;
}

function refuseVariants(object: JsonObject, declared: DeclaredNames, id: MessageId | undefined): void {
  const variant = declared.findVariant(Object.keys(object));
  if (variant === undefined) return;
  const message = `The name ${JSON.stringify(variant)} differs from a protocol member only in case`;
  throw new MessageError(RPC.invalidRequest, message, id ?? null);
}

/** A `tools/call` without an id would be executed without an answer; a notification with an id would be answered twice. */
function refuseKindMismatch(method: string, id: MessageId | undefined): void {
  const isNotification = method.startsWith("notifications/");
  if (isNotification && id !== undefined) {
    throw new MessageError(RPC.invalidRequest, "A notification has no id", id);
  }
  if (!isNotification && id === undefined) {
    throw new MessageError(RPC.invalidRequest, "A request needs an id");
  }
}
