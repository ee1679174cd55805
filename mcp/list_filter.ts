/** Lists of prompts, resources and templates, filtered like tools: by what this caller may ever use. */
import type { NamedItems } from "../core/call.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { mapInSlices } from "../core/slices.ts";
import { elementSpans, memberSpans, withSpan } from "../core/strict_json_spans.ts";
import type { Answer } from "./answer.ts";
import { LIST_PACING, listedIn } from "./tool_list.ts";

/** One kind of list: where its items stand in a result, and what names an item. */
interface NamedList {
  readonly member: "prompts" | "resources" | "resourceTemplates";
  readonly named: "name" | "uri" | "uriTemplate";
  readonly method: "prompts/get" | "resources/read";
}

/**
 * A template is listed when its own text, braces included, is a resource that may be read: `test://a/*` lists
 * `test://a/{id}`.
 */
const LISTS: readonly NamedList[] = [
  { member: "prompts", named: "name", method: "prompts/get" },
  { member: "resources", named: "uri", method: "resources/read" },
  { member: "resourceTemplates", named: "uriTemplate", method: "resources/read" },
];

/** The answer's text without what the caller may not use; items that name nothing clearly are not listed. */
export async function filterNamedLists(
  answer: Answer,
  upstream: string,
  lists: (named: NamedItems) => Promise<readonly boolean[]>,
): Promise<string> {
  let { text } = answer;
  if (answer.result === undefined) return text;
  for (const list of LISTS) {
    if (listedIn(answer.result.value, list.member) === undefined) continue;
    text = await filterOne(text, upstream, list, lists);
  }
  return text;
}

async function filterOne(
  text: string,
  upstream: string,
  { member, named, method }: NamedList,
  lists: (named: NamedItems) => Promise<readonly boolean[]>,
): Promise<string> {
  const result = memberSpans(text).get("result");
  const array = result === undefined ? undefined : memberSpans(text, result).get(member);
  if (array === undefined) return text;
  const items = elementSpans(text, array).map(({ start, end }) => text.slice(start, end));
  const names = await mapInSlices(items, (item) => nameIn(item, named), LIST_PACING);
  const verdicts = await lists({ upstream, method, names: names.map((name) => name ?? "") });
  const kept = items.filter((_, index) => names[index] !== undefined && verdicts[index] === true);
  return withSpan(text, array, `[${kept.join(",")}]`);
}

/** The item's name, `undefined` when it has none, or two for two readers. */
function nameIn(item: string, member: string): string | undefined {
  const value: JsonValue = JSON.parse(item);
  if (!isJsonObject(value)) return undefined;
  try {
    memberSpans(item);
  } catch {
    return undefined;
  }
  const name = value[member];
  return typeof name === "string" && name !== "" ? name : undefined;
}
