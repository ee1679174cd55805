/** What stands in front of every route: no operator, no answer. */
import type { MiddlewareHandler } from "hono";
import type { OPERATOR_ATTEMPT_CODES } from "../core/refusal_codes.ts";
import type { AttemptThrottle } from "./attempt_throttle.ts";
import type { AdminVariables } from "./environment.ts";
import { type OperatorCredentials, operatorOf } from "./operator.ts";
import { ProblemError, problemResponse } from "./problem.ts";

/** Why an attempt failed; also the code under which the audit counts it. */
export type AttemptRefusal = (typeof OPERATOR_ATTEMPT_CODES)[number];

export interface AuthenticationOptions {
  readonly credentials: OperatorCredentials;
  readonly throttle: AttemptThrottle;
  readonly sourceIpOf: (request: Request) => string;
  /** Called for every failed attempt. */
  readonly onRefused: (refusal: AttemptRefusal, sourceIp: string) => void;
}

/** Finds out who asks. Unknown, expired and disabled tokens get the same 401; too many of them from one address, 429. */
export function authentication(options: AuthenticationOptions): MiddlewareHandler<AdminVariables> {
  const { credentials, throttle, onRefused } = options;
  const refuseThrottled = (sourceIp: string, retryAfterSeconds: number): never => {
    onRefused("operator_throttled", sourceIp);
    const detail = `Too many attempts from this address: try again in ${retryAfterSeconds} s`;
    throw new ProblemError({ status: 429, code: "throttled", detail, retryAfterSeconds });
  };
  const find = async (digest: Uint8Array, sourceIp: string) => {
    if (!throttle.enter(sourceIp)) refuseThrottled(sourceIp, 1);
    try {
      return await credentials.find(digest);
    } finally {
      throttle.leave(sourceIp);
    }
  };
  return async (context, next) => {
    const sourceIp = options.sourceIpOf(context.req.raw);
    const waitSeconds = throttle.retryAfterSeconds(sourceIp);
    if (waitSeconds > 0) refuseThrottled(sourceIp, waitSeconds);
    const bounded = { ...credentials, find: (digest: Uint8Array) => find(digest, sourceIp) };
    const operator = await operatorOf(bounded, context.req.header("authorization"));
    if (operator === undefined) {
      throttle.failed(sourceIp);
      onRefused("operator_unauthenticated", sourceIp);
      const detail = 'Expected the header "Authorization: Bearer <operator token>"';
      return problemResponse(context, { status: 401, code: "unauthenticated", detail });
    }
    context.set("operator", operator);
    context.set("sourceIp", sourceIp);
    await next();
    if (!context.res.headers.has("cache-control")) context.header("cache-control", "no-store");
  };
}
