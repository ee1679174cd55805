/** The one function that makes an operator out of a credential. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Operator } from "../core/operator.ts";

/** By what operators prove who they are; the tokens themselves are not kept. */
export interface OperatorCredentials {
  /** SHA-256 of the start-up token. */
  readonly rootDigest: Uint8Array;
  /** The operator of a named token by its SHA-256, asked anew for every request; `store/operators.ts` fits. */
  find(tokenSha256: Uint8Array): Promise<Pick<Operator, "id" | "role" | "tenants"> | undefined>;
}

/** Text of a named token: 32 random bytes, so that looking it up by its digest tells nobody anything. */
const NAMED_TOKEN = /^igo_[A-Za-z0-9_-]{43}$/;

/** SHA-256 of an operator token, for `OperatorCredentials`. */
export function operatorDigest(token: string): Uint8Array {
  return createHash("sha256").update(token, "utf8").digest();
}

/** The operator behind an `Authorization` header, or `undefined` when it names none that may act now. */
export async function operatorOf(
  credentials: OperatorCredentials,
  authorization: string | undefined,
): Promise<Operator | undefined> {
  const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) return undefined;
  const digest = operatorDigest(token);
  if (timingSafeEqual(digest, credentials.rootDigest)) {
    return { id: "root", how: "root", role: "admin", tenants: "*" };
  }
  if (!NAMED_TOKEN.test(token)) return undefined;
  const found = await credentials.find(digest);
  if (found === undefined || found.id === "root") return undefined;
  return { id: found.id, how: "token", role: found.role, tenants: found.tenants };
}

/** Whether an operator may act for a tenant. */
export function actsFor(operator: Operator, tenant: string): boolean {
  return operator.tenants === "*" || operator.tenants.includes(tenant);
}
