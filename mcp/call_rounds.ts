/** A call that an upstream asked something about goes on only by a new decision, on the answers that it is given. */
import type { Arrival, FrontParts } from "./arrival.ts";
import type { RequestMessage, ToolCallParams } from "./message.ts";
import type { CallRoute, ForwardEnding } from "./port.ts";
import { refusalCode, refusalData } from "./refusals.ts";
import { toolCallOf } from "./tool_call.ts";
import type { RpcError } from "./upstream_link.ts";

/** Decides on the next round of a call; gives the error that ends the call, `undefined` when it may go on. */
export async function decideRound(
  parts: FrontParts,
  arrival: Arrival,
  message: RequestMessage,
  { params, ending }: { readonly params: ToolCallParams; readonly ending: Promise<ForwardEnding> },
): Promise<RpcError | undefined> {
  const call = toolCallOf(parts.renew(arrival.origin), message, params);
  const route: CallRoute = {
    // The place and the session are those of the call that is under way.
    ...{ accepts: () => true, reserve: () => undefined, isGone: () => arrival.request.signal.aborted },
    definition: () => parts.catalogue.definition(call.upstream, call.name),
    forward: () => Promise.resolve({ response: new Response(null), ending }),
  };
  const answer = await parts.gateway.handle(call, arrival.credential, route);
  if (answer.kind === "forwarded") return undefined;
  if (answer.kind === "session_not_found") return { code: -32603, message: "The call cannot go on" };
  const { refusal } = answer;
  return { code: refusalCode(refusal), message: refusal.reason, data: refusalData(refusal) };
}
