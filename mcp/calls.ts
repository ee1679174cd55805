/** Governed requests: from the checked message to the gateway, and from its answer to the client. */
import type { ToolCall, ToolDefinition } from "../core/call.ts";
import { type Answer, reread, withDecision } from "./answer.ts";
import { type Arrival, type FrontParts, mayUse, refusalStyle, upstreamRefusalText } from "./arrival.ts";
import type { RequestMessage } from "./message.ts";
import type { Admission, CallRoute, Forwarded, ForwardEnding, Refusal } from "./port.ts";
import { jsonText, type MessageId, refusalResponse } from "./refusals.ts";
import type { RelayPlan } from "./relay.ts";
import { checkedEdit } from "./result_check.ts";
import { type Exchange, type ResolvedUpstream, UpstreamFailure } from "./upstream_connection.ts";
import { UpstreamPlace } from "./upstream_place.ts";
import { relayRequest } from "./upstream_request.ts";

/** What the protocol eras do differently about a call. */
export interface CallPath extends Pick<CallRoute, "objection" | "conditions"> {
  /** May this principal call over this path? Asked once, before anything else. */
  accepts(admission: Admission): boolean;
  /** The answer when `accepts` said no. */
  refusal(id: MessageId): Response;
  /** Whether the caller may see from a refusal that the upstream is there; by default it may not. */
  knowsUpstream(refusal: Refusal): boolean;
  /** Sends the bytes that were decided on; only after `accepts`. The exchange ends with `signal`. */
  send(upstream: ResolvedUpstream, signal: AbortSignal): Promise<Exchange>;
  /** How the answer is relayed; the decision is added to whatever `edit` gives. */
  readonly relay: Pick<RelayPlan, "hasUpstreamSession" | "serverRequests" | "endsWithClient">;
  readonly edit?: RelayPlan["edit"];
  /** Whether a result may ask for input instead of bringing what the tool promises (modern era). */
  readonly mayBeQuestion?: boolean;
  /** The answer to a refusal that only this era knows; `undefined` leaves it to the others. */
  refused?(refusal: Refusal, id: MessageId): Response | undefined;
  /** Hears how the call ended. */
  ended?(ending: ForwardEnding, upstream: ResolvedUpstream): void;
}

/** Answers a governed request. */
export async function answerCall(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  { call, path }: { readonly call: ToolCall; readonly path: CallPath },
): Promise<Response> {
  const route = routeOf(parts, arrival, message, { path, name: call.name });
  let answer;
  try {
    answer = await parts.gateway.handle(call, arrival.credential, route);
  } finally {
    route.end();
  }
  if (answer.kind === "forwarded") return answer.response;
  if (answer.kind === "session_not_found") return path.refusal(message.id);
  const own = path.refused?.(answer.refusal, message.id);
  if (own !== undefined) return own;
  // Who was never admitted to it must take the upstream for one that does not exist.
  const isTool = call.method === "tools/call";
  const style = isTool && path.knowsUpstream(answer.refusal)
    ? arrival.upstream?.refusals ?? "error"
    : "error";
  return refusalResponse(answer.refusal, message.id, refusalStyle(parts, arrival, style));
}

/** No tool is named so. */
const NO_NAME = "";

function routeOf(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  { path, name }: { readonly path: CallPath; readonly name: string },
): CallRoute & { end(): void } {
  const { upstream } = arrival;
  const { signal } = arrival.request; // taken now: it only notices what happens after it was asked for
  let isAccepted = false;
  const place = new UpstreamPlace(parts, arrival);
  let isForwarded = false;
  let known: ToolDefinition | undefined;
  return {
    ...(path.conditions === undefined ? {} : { conditions: path.conditions }),
    accepts(admitted) {
      place.tenant = admitted.tenant;
      arrival.visit.isOf(admitted.tenant);
      // An upstream that is not there has no sessions: the missing definition answers, as for an unknown name.
      if (upstream === undefined || !mayUse(upstream, admitted)) return true;
      isAccepted = path.accepts(admitted);
      return isAccepted;
    },
    reserve: () => isAccepted ? place.enter() : undefined,
    definition() {
      // Nothing of the upstream may be seen before the path was accepted.
      if (upstream === undefined || !isAccepted) return undefined;
      const found = parts.catalogue.definition(upstream.name, name);
      if (found instanceof Promise) return arrival.visit.leaveFor(found).then((late) => known = late);
      return known = found;
    },
    async lookAgain() {
      if (upstream === undefined || !isAccepted) return;
      const looking = parts.catalogue.definition(upstream.name, NO_NAME);
      if (looking instanceof Promise) await arrival.visit.leaveFor(looking);
    },
    objection: (definition) => path.objection?.(definition),
    isGone: () => signal.aborted,
    async forward() {
      arrival.visit.decided();
      if (upstream === undefined || !isAccepted) return notForwarded(arrival, message);
      isForwarded = true;
      const options = {
        upstream,
        ...path.relay,
        edit: editOf(arrival, checkedEdit(parts, arrival, known, path)),
      };
      const send = (until: AbortSignal) => path.send(upstream, until);
      const forwarded = await relayRequest(parts, arrival, message, options, send);
      void forwarded.ending.then((ending) => {
        place.leave();
        path.ended?.(ending, upstream);
      });
      return forwarded;
    },
    end() {
      if (!isForwarded) place.leave();
    },
  };
}

function editOf(arrival: Arrival, edit: CallPath["edit"]): RelayPlan["edit"] {
  const { origin: { id }, aggregate } = arrival;
  const finish = aggregate === undefined
    ? (answer: Answer) => withDecision(answer, id)
    : (answer: Answer) => withDecision(reread(answer, aggregate.show(answer)), id);
  if (edit === undefined) return finish;
  return async (answer) => finish(reread(answer, await edit(answer)));
}

function notForwarded(arrival: Arrival, message: RequestMessage): Forwarded {
  const failure = new UpstreamFailure("upstream_failed", "no_session");
  const response = jsonText(upstreamRefusalText(arrival, failure, message.id));
  return { response, ending: Promise.resolve({ kind: "not_forwarded", code: failure.code, upstreamMs: 0 }) };
}
