/** The answer to `tools/list`: reading definitions from it, and filtering it without touching what stays. */
import type { ToolAnnotations, ToolDefinition } from "../core/call.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { elementSpans, memberSpans, withSpan } from "../core/strict_json_spans.ts";
import type { Answer } from "./answer.ts";

/** Most tools in one page. */
export const MAX_TOOLS_PER_PAGE = 10_000;

/** One tool of an answer, `undefined` for something that is no tool definition. */
export function readToolDefinition(
  upstream: string,
  value: JsonValue | undefined,
): ToolDefinition | undefined {
  if (!isJsonObject(value) || typeof value.name !== "string" || value.name === "") return undefined;
  if (!isJsonObject(value.inputSchema)) return undefined;
  return {
    upstream,
    name: value.name,
    ...(typeof value.description === "string" ? { description: value.description } : {}),
    inputSchema: value.inputSchema,
    annotations: isJsonObject(value.annotations) ? readAnnotations(value.annotations) : {},
  };
}

/** The answer's text with only those tools that `lists` allows, in their order; everything else stays as it is. */
export async function filterToolList(
  answer: Answer,
  upstream: string,
  lists: (tools: readonly ToolDefinition[]) => Promise<readonly boolean[]>,
): Promise<string> {
  if (answer.result === undefined) return answer.text;
  const { value, span } = answer.result;
  if (!Array.isArray(value.tools)) return answer.text;
  if (value.tools.length > MAX_TOOLS_PER_PAGE) throw new RangeError("The upstream lists too many tools");
  const arraySpan = memberSpans(answer.text, span).get("tools");
  if (arraySpan === undefined) return answer.text;
  const texts = elementSpans(answer.text, arraySpan).map(({ start, end }) => answer.text.slice(start, end));
  const tools = texts.map((text) => readUnambiguous(upstream, text));
  const readable = tools.filter((tool) => tool !== undefined);
  const verdicts = await lists(readable);
  const isListed = new Map(readable.map((tool, index) => [tool, verdicts[index] === true]));
  const kept = texts.filter((_, index) => isListed.get(tools[index] as ToolDefinition) === true);
  return withSpan(answer.text, arraySpan, `[${kept.join(",")}]`);
}

/** A definition with the same name twice would be another tool for another reader: it is not listed. */
function readUnambiguous(upstream: string, text: string): ToolDefinition | undefined {
  const value: JsonValue = JSON.parse(text);
  if (!isJsonObject(value)) return undefined;
  try {
    memberSpans(text);
  } catch {
    return undefined;
  }
  return readToolDefinition(upstream, value);
}

function readAnnotations(value: JsonObject): ToolAnnotations {
  const hint = (name: keyof ToolAnnotations) =>
    typeof value[name] === "boolean" ? { [name]: value[name] } : {};
  return {
    ...(typeof value.title === "string" ? { title: value.title } : {}),
    ...hint("readOnlyHint"),
    ...hint("destructiveHint"),
    ...hint("idempotentHint"),
    ...hint("openWorldHint"),
  };
}
