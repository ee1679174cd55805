/** What stands in front of every route: no operator, no answer. */
import type { MiddlewareHandler } from "hono";
import type { OPERATOR_ATTEMPT_CODES } from "../core/refusal_codes.ts";
import type { AttemptThrottle } from "./attempt_throttle.ts";
import type { AdminVariables } from "./environment.ts";
import { type OperatorCredentials, operatorOf } from "./operator.ts";
import { problemResponse } from "./problem.ts";

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
  return async (context, next) => {
    const sourceIp = options.sourceIpOf(context.req.raw);
    const retryAfterSeconds = throttle.retryAfterSeconds(sourceIp);
    if (retryAfterSeconds > 0) {
      onRefused("operator_throttled", sourceIp);
      const detail = `Too many failed attempts from here: try again in ${retryAfterSeconds} s`;
      return problemResponse(context, { status: 429, code: "throttled", detail, retryAfterSeconds });
    }
    const operator = await operatorOf(credentials, context.req.header("authorization"));
    if (operator === undefined) {
      throttle.failed(sourceIp);
      onRefused("operator_unauthenticated", sourceIp);
      const detail = 'Expected the header "Authorization: Bearer <operator token>"';
      return problemResponse(context, { status: 401, code: "unauthenticated", detail });
    }
    context.set("operator", operator);
    context.set("sourceIp", sourceIp);
    await next();
    context.header("cache-control", "no-store");
  };
}
