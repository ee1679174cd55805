/** Lists for a caller: only what it may ever use. */
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { memberSpans } from "../core/strict_json_spans.ts";
import type { UpstreamName } from "./aggregate/aggregate_names.ts";
import { type Answer, reread } from "./answer.ts";
import type { Arrival, FrontParts } from "./arrival.ts";
import { filterNamedLists } from "./list_filter.ts";
import type { Admitted } from "./port.ts";
import { type MessageId, refusalMessage } from "./refusals.ts";
import { unnamedCall } from "./tool_call.ts";
import { filterToolList, type ReadTool } from "./tool_list.ts";

/** Requests that list something, in both eras. */
export const LIST_METHODS: ReadonlySet<string> = new Set([
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
]);

/** Filters an answer to a list of any kind; a filter that fails lists nothing. */
export function listFilter(
  { catalogue }: Pick<FrontParts, "catalogue">,
  arrival: Arrival,
  admitted: Admitted,
  id: MessageId | null,
): (answer: Answer) => Promise<string> {
  const lists = async (tools: readonly ReadTool[]) => {
    const shown = await catalogue.shown(arrival.origin.upstream, tools);
    const usable = shown.filter((tool) => tool !== undefined);
    const verdicts = await admitted.lists(usable);
    const listed = new Set(usable.filter((_, index) => verdicts[index] === true));
    return shown.map((tool) => tool !== undefined && listed.has(tool));
  };
  return async (answer) => {
    try {
      const { upstream } = arrival.origin;
      // A name that stands there twice is another list for another reader.
      if (answer.result !== undefined) memberSpans(answer.text, answer.result.span);
      // An upstream may put any list into the answer to any question.
      const withTools = reread(answer, await filterToolList(answer, upstream, lists));
      return await filterNamedLists(withTools, upstream, (named) => admitted.listsNames(named));
    } catch {
      return JSON.stringify(refusalMessage({
        check: "gateway",
        code: "list_failed",
        reason: "The list could not be filtered",
        decisionId: arrival.origin.id,
        unauthenticated: false,
      }, id));
    }
  };
}

/** Whether a notification, by its method and its text, is not for this caller. */
export type Hides = (method: string, text: string) => Promise<boolean>;

const UPDATED = "notifications/resources/updated";

/** Hides updates of resources that the caller may not read. */
export function hidesUpdates(
  admitted: Admitted,
  upstream: string,
  resourceOf: (uri: string) => UpstreamName | undefined = (name) => ({ upstream, name }),
): Hides {
  return async (method, text) => {
    if (method !== UPDATED) return false;
    const message: JsonValue = JSON.parse(text);
    const params = isJsonObject(message) && isJsonObject(message.params) ? message.params : {};
    const of = resourceOf(typeof params.uri === "string" ? params.uri : "");
    if (of === undefined) return true;
    const asked = { upstream: of.upstream, method: "resources/read", names: [of.name] } as const;
    const [isListed] = await admitted.listsNames(asked);
    return isListed !== true;
  };
}

/** The same before the answer to a request. The caller is asked about when the first update comes: hardly any request brings one. */
export function hidesOnAnswer({ gateway, renew }: FrontParts, { origin, credential }: Arrival): Hides {
  let hides: Promise<Hides | undefined> | undefined;
  return async (method, text) => {
    if (method !== UPDATED) return false;
    hides ??= gateway.admit(unnamedCall(renew(origin), "ping"), credential).then((admission) =>
      admission.kind === "admitted" ? hidesUpdates(admission, origin.upstream) : undefined
    );
    return await (await hides)?.(method, text) ?? true;
  };
}
