/** Governed requests of the modern era: each stands alone, retries with answers to questions included. */
import { isJsonObject } from "../../core/json.ts";
import type { ToolCall, ToolDefinition } from "../../core/call.ts";
import { NOT_AVAILABLE } from "../../core/refusal_codes.ts";
import type { Answer } from "../answer.ts";
import type { Arrival, FrontParts } from "../arrival.ts";
import { answerCall, type CallPath } from "../calls.ts";
import { readInputRequests } from "../links/input_requests.ts";
import { parseCallParams } from "../named_call.ts";
import type { Admission, Refusal } from "../port.ts";
import { type MessageId, refusalData, RPC, rpcError, sessionNotFound } from "../refusals.ts";
import { toolCallOf } from "../tool_call.ts";
import { exchangeWith, UpstreamFailure } from "../upstream_connection.ts";
import { bodyForUpstream } from "./body.ts";
import { type Discovered, discoveredUpstream } from "./discoveries.ts";
import { findParameterMismatch, headersForUpstream, type ModernRequest } from "./request_headers.ts";
import { isOwnState, type RequestState, usedOnce } from "./request_state.ts";
import { rereadAnswer, withPrivateCache, withResultMember, withResultType } from "./result_edits.ts";

/** A governed request, read. */
export interface ModernCall {
  readonly request: ModernRequest;
  readonly call: ToolCall;
  readonly state: GivenState;
}

/** Reads a governed request, whatever its upstream; throws `MessageError` for malformed params. */
export async function readModernCall(
  parts: FrontParts,
  arrival: Arrival,
  request: ModernRequest,
): Promise<ModernCall> {
  const { message } = request;
  const { requestState } = message.params ?? {};
  const call = toolCallOf(arrival.origin, message, parseCallParams(message));
  const state = requestState === undefined ? "none" : await parts.requestStates.open(requestState, call);
  return { request, call, state };
}

/** Answers a governed request. */
export async function answerModernCall(
  parts: FrontParts,
  arrival: Arrival,
  given: ModernCall,
  discovery: Discovered,
): Promise<Response> {
  return await answerCall(parts, arrival, given.request.message, {
    call: given.call,
    path: modernPath(parts, arrival, given, discovery),
  });
}

/** A state that was opened, `undefined` for one that is no good, `none` where the request has none. */
type GivenState = RequestState | undefined | "none";

function modernPath(
  parts: FrontParts,
  arrival: Arrival,
  { request, call, state }: ModernCall,
  discovery: Discovered,
): CallPath {
  const { message } = request;
  const { headers } = arrival.request;
  // The links of the aggregate endpoint speak both eras.
  const discovered = arrival.aggregate === undefined ? arrival.upstream : undefined;
  let admission: Admission | undefined;
  let definition: ToolDefinition | undefined;
  const objection = (known: ToolDefinition | undefined) => {
    definition = known;
    const isOwn = state === "none" ||
      (state !== undefined && admission !== undefined && isOwnState(state, admission));
    if (!isOwn) {
      return { code: "request_state_invalid", reason: "The requestState is not valid for this call" };
    }
    const header = known === undefined
      ? undefined
      : findParameterMismatch(known.inputSchema, call.arguments, headers);
    if (header === undefined) return undefined;
    return { code: "header_mismatch", reason: `Header mismatch: ${header} is not the argument of the body` };
  };
  return {
    accepts: (given) => {
      admission = given;
      return true;
    },
    refusal: (id) => sessionNotFound(id),
    // No session names the upstream: what is covered and refused may be seen, what is not available not.
    knowsUpstream: ({ code }) => code !== NOT_AVAILABLE,
    objection,
    ...(typeof state === "object" ? { conditions: [usedOnce(state)] } : {}),
    refused: refusalOfEra,
    send: (upstream, signal) => {
      if (discovered !== undefined) parts.discoveries.refresh(discovered);
      return exchangeWith(discoveredUpstream(upstream, discovery), {
        method: "POST",
        body: bodyForUpstream(
          request,
          upstream.client_requests,
          typeof state === "object" ? { requestState: state.state } : {},
        ),
        agentHeaders: headers,
        protocolVersion: request.version,
        mcpHeaders: headersForUpstream(message, headers, definition?.inputSchema),
        signal,
        caller: admission,
      }, parts);
    },
    ended: (ending) => discovered && parts.discoveries.heard(discovered, ending),
    relay: { hasUpstreamSession: false, endsWithClient: true },
    mayBeQuestion: true,
    edit: (answer) => editedResult(parts, arrival, answer, { request, call, admission }),
  };
}

/** Codes of the protocol where it has one. */
function refusalOfEra(refusal: Refusal, id: MessageId): Response | undefined {
  if (refusal.code === "header_mismatch") {
    return rpcError(400, RPC.headerMismatch, refusal.reason, id, refusalData(refusal));
  }
  if (refusal.code.startsWith("request_state_")) {
    return rpcError(200, RPC.invalidParams, refusal.reason, id, refusalData(refusal));
  }
  return undefined;
}

interface EditedCall {
  readonly request: ModernRequest;
  readonly call: ToolCall;
  readonly admission: Admission | undefined;
}

async function editedResult(
  parts: FrontParts,
  arrival: Arrival,
  answer: Answer,
  of: EditedCall,
): Promise<string> {
  const { call, admission } = of;
  if (answer.result?.value.resultType === "input_required") {
    return await editedQuestions(parts, arrival, answer, of);
  }
  const text = withResultType(answer);
  if (call.method !== "resources/read" || admission === undefined) return text;
  return withPrivateCache(rereadAnswer(answer, text), admission.expiresAt * 1000 - parts.nowMs());
}

/** Questions of the upstream: only those that it may ask, and its state sealed. */
async function editedQuestions(
  parts: FrontParts,
  arrival: Arrival,
  answer: Answer,
  { request, call, admission }: EditedCall,
): Promise<string> {
  const { inputRequests = {}, requestState } = answer.result?.value ?? {};
  const allowed: readonly string[] = arrival.upstream?.client_requests ?? [];
  const capabilities = Object.fromEntries(
    Object.entries(request.capabilities).filter(([name]) => allowed.includes(name)),
  );
  try {
    readInputRequests(isJsonObject(inputRequests) ? inputRequests : {}, capabilities);
  } catch {
    throw new UpstreamFailure("upstream_failed", "input_not_allowed");
  }
  if (requestState === undefined) return answer.text;
  if (typeof requestState !== "string" || admission === undefined) {
    throw new UpstreamFailure("upstream_failed", "not_mcp");
  }
  const sealed = await parts.requestStates.seal(requestState, call, admission);
  if (sealed === undefined) throw new UpstreamFailure("upstream_failed", "request_state_too_long");
  return withResultMember(answer.text, "requestState", JSON.stringify(sealed));
}
