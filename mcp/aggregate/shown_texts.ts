/** Lists and results of one upstream with the names that they have at the aggregate endpoint. Everything else stays as it is. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { elementSpans, type JsonSpan, memberSpans, withSpan } from "../../core/strict_json_spans.ts";
import type { Answer } from "../answer.ts";
import { shownName, shownUri } from "./aggregate_names.ts";

type Rename = (text: string) => string;

/** The text of one item of a list under its new name. */
export function shownItem(item: string, named: "name" | "uri" | "uriTemplate", upstream: string): string {
  const rename: Rename = (text) => named === "name" ? shownName(upstream, text) : shownUri(upstream, text);
  return withText(item, undefined, named, rename);
}

/** The texts of the items of a list in an answer. */
export function itemTexts(answer: Answer, member: string): readonly string[] {
  if (answer.result === undefined) return [];
  const array = memberSpans(answer.text, answer.result.span).get(member);
  if (array === undefined || answer.text[array.start] !== "[") return [];
  return elementSpans(answer.text, array).map(({ start, end }) => answer.text.slice(start, end));
}

/** Where results name resources: contents of `resources/read`, content of tools and of the messages of prompts. */
export function withShownUris(answer: Answer, upstream: string): string {
  if (answer.result === undefined || !namesResources(answer.result.value)) return answer.text;
  const rename: Rename = (uri) => shownUri(upstream, uri);
  let text = answer.text;
  const { span } = answer.result;
  text = editElements(text, span, "contents", (item) => withText(item, undefined, "uri", rename));
  text = editElements(text, span, "content", (item) => editedContent(item, rename));
  return editElements(text, span, "messages", (message) => editMessage(message, rename));
}

function namesResources({ contents, content, messages }: JsonObject): boolean {
  const isResource = (one: JsonValue) =>
    isJsonObject(one) && (one.type === "resource" || one.type === "resource_link");
  return Array.isArray(contents) || (Array.isArray(content) && content.some(isResource)) ||
    (Array.isArray(messages) && messages.some((one) => isJsonObject(one) && isResource(one.content ?? null)));
}

function editMessage(message: string, rename: Rename): string {
  const content = memberSpans(message).get("content");
  if (content === undefined || message[content.start] !== "{") return message;
  return withSpan(message, content, editedContent(message.slice(content.start, content.end), rename));
}

function editedContent(item: string, rename: Rename): string {
  const value: JsonValue = JSON.parse(item);
  if (!isJsonObject(value)) return item;
  if (value.type === "resource_link") return withText(item, undefined, "uri", rename);
  if (value.type !== "resource" || !isJsonObject(value.resource)) return item;
  return withText(item, memberSpans(item).get("resource"), "uri", rename);
}

function editElements(
  text: string,
  object: JsonSpan,
  member: string,
  edit: (item: string) => string,
): string {
  // Earlier edits only made the text longer behind `object.start`, where it is read anew.
  const array = memberSpans(text, object).get(member);
  if (array === undefined || text[array.start] !== "[") return text;
  const items = elementSpans(text, array).map(({ start, end }) => edit(text.slice(start, end)));
  return withSpan(text, array, `[${items.join(",")}]`);
}

function withText(text: string, object: JsonSpan | undefined, member: string, rename: Rename): string {
  const span = text[object?.start ?? 0] === "{" ? memberSpans(text, object).get(member) : undefined;
  if (span === undefined || text[span.start] !== '"') return text;
  return withSpan(text, span, JSON.stringify(rename(JSON.parse(text.slice(span.start, span.end)))));
}
