/** The one function that makes an operator out of a credential. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Operator } from "../core/operator.ts";

/** Digest of the start-up operator token; the token itself is not kept. */
export interface OperatorCredentials {
  readonly rootDigest: Uint8Array;
}

/** SHA-256 of an operator token, for `OperatorCredentials`. */
export function operatorDigest(token: string): Uint8Array {
  return createHash("sha256").update(token, "utf8").digest();
}

/** The operator behind an `Authorization` header, or `undefined` when it names none. */
export function operatorOf(
  credentials: OperatorCredentials,
  authorization: string | undefined,
): Operator | undefined {
  const match = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? "");
  if (match?.[1] === undefined) return undefined;
  if (!timingSafeEqual(operatorDigest(match[1]), credentials.rootDigest)) return undefined;
  return { id: "root", how: "root", role: "admin", tenants: "*" };
}

/** Whether an operator may act for a tenant. */
export function actsFor(operator: Operator, tenant: string): boolean {
  return operator.tenants === "*" || operator.tenants.includes(tenant);
}
