/** The arguments of a call of a tool that its caller may see, held against the tool's definition. */
import { findArgumentCaseVariant } from "../core/argument_names.ts";
import type { Decision, ToolCall, ToolDefinition } from "../core/call.ts";
import { type SchemaAnswer, violationsText } from "../core/tool_checks.ts";
import { toolFact } from "../core/tool_fact.ts";
import type { CallRoute } from "../mcp/port.ts";
import { addFact, endRun, type Run } from "./runner.ts";

/** A refusal, or what the schema says of the arguments; nothing where nobody looks. */
export type JudgedArguments =
  | { readonly decision: Decision }
  | { readonly decision?: undefined; readonly answer: SchemaAnswer | undefined };

/** Judges the arguments by their names and by the tool's schema. */
export function judgeArguments(
  call: ToolCall,
  definition: ToolDefinition,
  run: Run,
  route: CallRoute,
): JudgedArguments {
  const variant = findArgumentCaseVariant(call.arguments, definition.inputSchema);
  if (variant !== undefined) {
    const name = variant.slice(0, 200).toWellFormed();
    const reason = `Argument "${name}" matches a property of the tool only when case is ignored`;
    return { decision: endRun(run, "capability", { kind: "block", code: "argument_case_variant", reason }) };
  }
  const answer = definition.checks?.arguments(call.arguments);
  const isRefused = answer?.kind === "invalid" && definition.checks?.modes.arguments === "enforce";
  // What the protocol objects to has an answer of its own, which comes first.
  if (!isRefused || route.objection?.(definition) !== undefined) return { answer };
  const reason = `Arguments do not fit the tool's schema: ${violationsText(answer.violations)}`;
  const withTool = addFact(run, "tool", toolFact(definition, answer));
  return { decision: endRun(withTool, "capability", { kind: "block", code: "arguments_invalid", reason }) };
}
