/** A request at the aggregate endpoint as the upstream that it names would get it. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { type JsonSpan, memberSpans, withSpan } from "../../core/strict_json_spans.ts";
import type { RequestMessage } from "../message.ts";
import { readShownName, readShownUri, type UpstreamName } from "./aggregate_names.ts";

/** Where a request goes, and its message with the upstream's own name. */
export interface UpstreamMessage {
  readonly upstream: string;
  readonly message: RequestMessage;
}

/** The member of `params`, or of `params.ref`, that names something. */
interface Place {
  readonly member: "name" | "uri";
  readonly isInRef: boolean;
}

/** Reads what a governed request names; `undefined` when that is no name of this endpoint. */
export function upstreamMessage(message: RequestMessage): UpstreamMessage | undefined {
  const place = placeOf(message);
  const holder = place?.isInRef === true ? message.params?.ref : message.params;
  const text = place !== undefined && isJsonObject(holder) ? holder[place.member] : undefined;
  if (place === undefined || typeof text !== "string") return undefined;
  const named = place.member === "name" ? readShownName(text) : readShownUri(text);
  return named && { upstream: named.upstream, message: renamed(message, place, named) };
}

function placeOf({ method, params }: RequestMessage): Place | undefined {
  switch (method) {
    case "tools/call":
    case "prompts/get":
      return { member: "name", isInRef: false };
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
      return { member: "uri", isInRef: false };
    case "completion/complete": {
      const isResource = isJsonObject(params?.ref) && params.ref.type === "ref/resource";
      return { member: isResource ? "uri" : "name", isInRef: true };
    }
    default:
      return undefined;
  }
}

function renamed(
  message: RequestMessage,
  { member, isInRef }: Place,
  { name }: UpstreamName,
): RequestMessage {
  const text = new TextDecoder().decode(message.bytes);
  const params = memberSpans(text).get("params");
  const holder = isInRef && params !== undefined ? memberSpans(text, params).get("ref") : params;
  const span: JsonSpan | undefined = holder && memberSpans(text, holder).get(member);
  if (span === undefined) throw new TypeError("A name that was read stands nowhere");
  const changed: JsonObject = isInRef && isJsonObject(message.params?.ref)
    ? { ref: { ...message.params.ref, [member]: name } }
    : { [member]: name };
  return {
    ...message,
    params: { ...message.params, ...changed },
    bytes: new TextEncoder().encode(withSpan(text, span, JSON.stringify(name))),
  };
}
