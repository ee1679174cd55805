/**
 * `requestState` between the front, which seals it for the client, and the link server: a call that waits in the memory of
 * one replica, or what a modern upstream wants back.
 */
import type { JsonValue } from "../../core/json.ts";

/** What a request goes on with. */
export type CallState =
  | { readonly kind: "none" }
  | { readonly kind: "parked"; readonly replica: string; readonly parkedId: string }
  | { readonly kind: "upstream"; readonly state: string };

/** The text of a state. */
export function writeCallState(state: Exclude<CallState, { kind: "none" }>): string {
  return state.kind === "parked"
    ? `parked:${JSON.stringify([state.replica, state.parkedId])}`
    : `upstream:${state.state}`;
}

/** What a text says, `undefined` for one that was not written here. */
export function readCallState(text: JsonValue | undefined): CallState | undefined {
  if (text === undefined) return { kind: "none" };
  if (typeof text !== "string") return undefined;
  if (text.startsWith("upstream:")) return { kind: "upstream", state: text.slice("upstream:".length) };
  if (!text.startsWith("parked:")) return undefined;
  try {
    const [replica, parkedId] = JSON.parse(text.slice("parked:".length));
    const isRead = typeof replica === "string" && typeof parkedId === "string";
    return isRead ? { kind: "parked", replica, parkedId } : undefined;
  } catch {
    return undefined;
  }
}
