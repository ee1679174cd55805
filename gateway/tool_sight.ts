/** A called tool as its caller sees it: what it must not see takes the way, and the time, of what is not there. */
import type { Decision, ToolCall, ToolDefinition } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import { toolFact } from "../core/tool_fact.ts";
import type { CallRoute } from "../mcp/port.ts";
import type { Deadlines } from "./deadlines.ts";
import { heldBy, hiddenBy, notAvailable } from "./refusal.ts";
import { addFact } from "./runner.ts";
import type { Onlooker, Visibility } from "./visibility.ts";

/** The tool that is called, or why it does not exist for the caller. */
export type Seen =
  | { readonly definition: ToolDefinition }
  | { readonly definition?: undefined; readonly decision: Decision };

/** What it takes to see a tool. */
export interface ToolSight {
  readonly visibility: Visibility;
  readonly deadlines: Deadlines;
}

/** Looks the tool up; rejects with `GatewayError` when the upstream's tools cannot be read before the call's deadline. */
export async function seeTool(
  { visibility, deadlines }: ToolSight,
  call: ToolCall,
  onlooker: Onlooker,
  route: CallRoute,
): Promise<Seen> {
  const { run } = onlooker;
  const inTime = <Result>(reading: Promise<Result>) =>
    deadlines.race(reading, call.deadlineMs, () =>
      new GatewayError(
        "upstream_unavailable",
        `The tools of "${call.upstream}" were not read before the call's deadline`,
      ));
  const found = route.definition();
  const definition = found instanceof Promise ? await inTime(found) : found;
  if (definition === undefined || definition.pin?.isHeld === true) {
    await visibility.askAboutUnknown(onlooker, call);
    return {
      decision: definition === undefined ? notAvailable(run, "unknown_tool") : heldBy(run, definition),
    };
  }
  const asked = visibility.toolHider(onlooker, call, definition);
  const hider = asked instanceof Promise ? await asked : asked;
  if (hider === undefined) return { definition };
  const looking = route.lookAgain?.();
  if (looking instanceof Promise) await inTime(looking);
  return { decision: hiddenBy(addFact(run, "tool", toolFact(definition)), hider) };
}
