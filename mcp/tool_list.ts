/** The answer to `tools/list`: reading definitions from it, and filtering it without touching what stays. */
import type { ToolAnnotations, ToolDefinition } from "../core/call.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { mapInSlices, type Pacing } from "../core/slices.ts";
import { elementSpans, memberSpans, withSpan } from "../core/strict_json_spans.ts";
import { toolFingerprint } from "../core/tool_digest.ts";
import type { SeenTool } from "../core/tool_pin.ts";
import type { Answer } from "./answer.ts";

/** Most tools, or other items, in one page. */
const MAX_ITEMS_PER_PAGE = 10_000;
/** A tool with a longer name could not be called. */
const MAX_TOOL_NAME_LENGTH = 256;

/** A tool as the upstream shows it, with the fingerprint that pins are held against. */
export interface ReadTool {
  readonly definition: ToolDefinition;
  readonly seen: SeenTool;
}

/** How lists of thousands of tools leave the thread to others. */
export const LIST_PACING: Pacing = {
  nowMs: () => performance.now(),
  pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
};

/** One tool of an answer, `undefined` for something that is no tool definition or that cannot be pinned. */
export function readTool(upstream: string, value: JsonValue | undefined): ReadTool | undefined {
  if (!isJsonObject(value) || typeof value.name !== "string") return undefined;
  if (value.name === "" || value.name.length > MAX_TOOL_NAME_LENGTH) return undefined;
  if (!isJsonObject(value.inputSchema)) return undefined;
  const fingerprint = toolFingerprint(value);
  if (fingerprint === undefined) return undefined;
  return {
    definition: {
      upstream,
      name: value.name,
      ...(typeof value.description === "string" ? { description: value.description } : {}),
      inputSchema: value.inputSchema,
      ...(isJsonObject(value.outputSchema) ? { outputSchema: value.outputSchema } : {}),
      annotations: isJsonObject(value.annotations) ? readAnnotations(value.annotations) : {},
    },
    seen: { name: value.name, ...fingerprint },
  };
}

/** The hints of an `annotations` object that have the right type. */
export function readAnnotations(value: JsonObject): ToolAnnotations {
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

/** The list of this name in a result; throws for one that is too long, or none. */
export function listedIn(result: JsonObject, member: string): readonly JsonValue[] | undefined {
  const items = result[member] ?? undefined;
  if (items === undefined) return undefined;
  if (!Array.isArray(items)) throw new TypeError(`The upstream's ${member} are no list`);
  if (items.length > MAX_ITEMS_PER_PAGE) throw new RangeError(`The upstream lists too many ${member}`);
  return items;
}

/** The answer's text with only those tools that `lists` allows, in their order; everything else stays as it is. */
export async function filterToolList(
  answer: Answer,
  upstream: string,
  lists: (tools: readonly ReadTool[]) => Promise<readonly boolean[]>,
): Promise<string> {
  if (answer.result === undefined) return answer.text;
  const { value, span } = answer.result;
  if (listedIn(value, "tools") === undefined) return answer.text;
  const arraySpan = memberSpans(answer.text, span).get("tools");
  if (arraySpan === undefined) return answer.text;
  const texts = elementSpans(answer.text, arraySpan).map(({ start, end }) => answer.text.slice(start, end));
  const tools = await mapInSlices(texts, (text) => readUnambiguous(upstream, text), LIST_PACING);
  const readable = tools.filter((tool) => tool !== undefined);
  const verdicts = await lists(readable);
  const isListed = new Map(readable.map((tool, index) => [tool, verdicts[index] === true]));
  const kept = texts.filter((_, index) => isListed.get(tools[index] as ReadTool) === true);
  return withSpan(answer.text, arraySpan, `[${kept.join(",")}]`);
}

/** A definition with the same name twice would be another tool for another reader: it is not listed. */
function readUnambiguous(upstream: string, text: string): ReadTool | undefined {
  const value: JsonValue = JSON.parse(text);
  if (!isJsonObject(value)) return undefined;
  try {
    memberSpans(text);
  } catch {
    return undefined;
  }
  return readTool(upstream, value);
}
