/** What an operator may do; each role includes the ones before it. An auditor reads the audit record and nothing else. */
export const OPERATOR_ROLES = ["auditor", "viewer", "operator", "admin"] as const;

export type OperatorRole = (typeof OPERATOR_ROLES)[number];

/** A person or script using the admin API. Made by one function only: `admin/operator.ts`. */
export interface Operator {
  readonly id: string;
  /** How it proved who it is: `root` is the start-up token, later also named tokens and SSO. */
  readonly how: "root" | "token";
  readonly role: OperatorRole;
  /** Tenants it may act for; `"*"` is every tenant. */
  readonly tenants: "*" | readonly string[];
}

/**
 * Whether two operators are two persons, where a change takes two: both have names of their own, and not the same one.
 * The start-up token is nobody's name, so `root` is never one of the two.
 */
export function areTwoPersons(first: Operator, second: Operator): boolean {
  return first.how !== "root" && second.how !== "root" && first.id !== second.id;
}
