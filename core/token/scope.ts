/** Evaluates the restrictions of a token on one call. Pure: the same token and call always give the same answer. */
import { ALL_UPSTREAMS, type ToolCall } from "../call.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import { NOT_AVAILABLE, NOT_AVAILABLE_REASON } from "../refusal_codes.ts";
import { type ArgsVisits, findRefusedArgument, MAX_ARGS_VISITS } from "./args_check.ts";
import type { CapabilityToken } from "./capability_token.ts";
import type { Restrictions } from "./restrictions.ts";

/**
 * What a method needs besides `methods`: nothing, or a name that this restriction covers. `ref`: of the prompt or the
 * resource that is completed. `subscriptions`: a resource where one is named; the stream itself names nothing.
 */
type NamedBy = "none" | "tools" | "prompts" | "resources" | "ref" | "subscriptions";

/** Methods that only carry a session; `methods` does not concern them, or no client could connect. */
const SESSION_METHODS: ReadonlySet<string> = new Set([
  "initialize",
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
  "session/response",
  "server/discover",
  "ping",
  "session/get",
  "session/delete",
]);

/** Every method that a token can permit. What is not here is refused whatever the token says. */
export const GOVERNED_METHODS: ReadonlyMap<string, NamedBy> = new Map<string, NamedBy>([
  ...[...SESSION_METHODS].map((method): [string, NamedBy] => [method, "none"]),
  ["tools/list", "none"],
  ["tools/call", "tools"],
  ["prompts/list", "none"],
  ["prompts/get", "prompts"],
  ["resources/list", "none"],
  ["resources/templates/list", "none"],
  ["resources/read", "resources"],
  ["resources/subscribe", "resources"],
  ["resources/unsubscribe", "resources"],
  ["completion/complete", "ref"],
  ["subscriptions/listen", "subscriptions"],
  ["logging/setLevel", "none"],
]);

const NO_ARGUMENTS: JsonObject = Object.freeze({});

/** Longer names of tools and prompts are covered by no token, so that no name makes matching slow. */
export const MAX_NAME_CHARACTERS = 512;

/** The part of a call that scope looks at. */
export type ScopedCall = Pick<ToolCall, "upstream" | "method" | "name" | "arguments">;

/** Why a call is outside a token. */
export interface ScopeRefusal {
  readonly code: typeof NOT_AVAILABLE | "arguments_refused";
  readonly reason: string;
}

/** The refusal of a call that the token does not cover; `undefined` when it covers it. */
export function findScopeRefusal(token: CapabilityToken, call: ScopedCall): ScopeRefusal | undefined {
  const { upstream, method, name } = call;
  // What a list for all upstreams shows is decided item by item.
  const isForAll = upstream === ALL_UPSTREAMS && name === "";
  if (
    !(isForAll || coversUpstream(token, upstream)) || !coversMethod(token, method) || !coversName(token, call)
  ) {
    return { code: NOT_AVAILABLE, reason: NOT_AVAILABLE_REASON };
  }
  if (GOVERNED_METHODS.get(method) !== "tools") return undefined;
  const visits: ArgsVisits = { left: MAX_ARGS_VISITS };
  for (const { entry, schema } of token.blocks.flatMap((block) => block.args)) {
    if (!entry.concerns(upstream, name)) continue;
    const path = findRefusedArgument(schema, call.arguments, visits);
    if (path !== undefined) {
      return {
        code: "arguments_refused",
        reason: visits.left < 0
          ? "The arguments are too large to be held against the token"
          : `The token does not allow the argument at "${path.slice(0, 300).toWellFormed()}"`,
      };
    }
  }
  return undefined;
}

/** May this token ever call the tool, before arguments are known? */
export function mayCallTool(token: CapabilityToken, upstream: string, name: string): boolean {
  return coversUpstream(token, upstream) && coversMethod(token, "tools/call") &&
    coversTool(token, upstream, name);
}

/** May this token ever use `method` with this name of a prompt or a resource? */
export function mayUseName(token: CapabilityToken, upstream: string, method: string, name: string): boolean {
  return coversUpstream(token, upstream) && coversMethod(token, method) &&
    coversName(token, { upstream, method, name, arguments: NO_ARGUMENTS });
}

/**
 * Does block 0 spell the tool out, without a wildcard? Only block 0 counts: a holder could otherwise append the exact
 * name and so escape the escalation of what a glob covers.
 */
export function namesToolExactly(token: CapabilityToken, upstream: string, name: string): boolean {
  return token.root.restrictions.tools?.some((entry) => entry.namesExactly(upstream, name)) ?? false;
}

function coversUpstream(token: CapabilityToken, upstream: string): boolean {
  return inAll(token, (block) => block.upstreams?.some((glob) => glob.matches(upstream)));
}

function coversMethod(token: CapabilityToken, method: string): boolean {
  if (!GOVERNED_METHODS.has(method)) return false;
  return SESSION_METHODS.has(method) ||
    inAll(token, (block) => block.methods?.some((glob) => glob.matches(method)));
}

function coversName(token: CapabilityToken, call: ScopedCall): boolean {
  const { upstream, name } = call;
  switch (GOVERNED_METHODS.get(call.method)) {
    case "tools":
      return coversTool(token, upstream, name);
    case "prompts":
      return coversPrompt(token, upstream, name);
    case "resources":
      return coversResource(token, name);
    case "ref": {
      const { ref } = call.arguments;
      const type = isJsonObject(ref) ? ref.type : undefined;
      if (type === "ref/prompt") return coversPrompt(token, upstream, name);
      return type === "ref/resource" && coversResource(token, name);
    }
    case "subscriptions":
      return name === "" || coversResource(token, name);
    case "none":
      return true;
    default:
      return false;
  }
}

/** Granted by block 0 or not at all: a holder who appends "prompts" must gain nothing. Likewise "resources". */
function coversPrompt(token: CapabilityToken, upstream: string, name: string): boolean {
  return isMatchable(name) && token.root.restrictions.prompts !== undefined &&
    inAll(token, (block) => block.prompts?.some((entry) => entry.permits(upstream, name)));
}

function coversResource(token: CapabilityToken, uri: string): boolean {
  return token.root.restrictions.resources !== undefined &&
    inAll(token, (block) => block.resources?.some((glob) => glob.matches(uri)));
}

function coversTool(token: CapabilityToken, upstream: string, name: string): boolean {
  return isMatchable(name) &&
    inAll(token, (block) => block.tools?.some((entry) => entry.permits(upstream, name))) &&
    !token.blocks.some((block) => block.denyTools.some((entry) => entry.concerns(upstream, name)));
}

function isMatchable(name: string): boolean {
  return name !== "" && name.length <= MAX_NAME_CHARACTERS;
}

/** True when every block that restricts this (answers at all) answers true. */
function inAll(token: CapabilityToken, permits: (block: Restrictions) => boolean | undefined): boolean {
  return token.blocks.every((block) => permits(block) ?? true);
}
