/** What policies and events learn of a tool: the fact `tool`. */
import type { ToolDefinition } from "./call.ts";
import type { JsonObject } from "./json.ts";
import type { SchemaAnswer } from "./tool_checks.ts";
import type { ToolPin } from "./tool_pin.ts";

/** The fact about a known tool; `answer` says how the arguments stand to its schema. */
export function toolFact({ annotations, pin }: ToolDefinition, answer?: SchemaAnswer): JsonObject {
  return {
    known: true,
    annotations: { ...annotations },
    ...(answer === undefined ? {} : { arguments: answer.kind }),
    ...(pin === undefined ? {} : { pin: pinFact(pin) }),
  };
}

function pinFact({ state, digest, seen }: ToolPin): JsonObject {
  return {
    ...(digest === undefined ? {} : { digest }),
    ...(digest === seen ? {} : { seen }),
    state,
  };
}
