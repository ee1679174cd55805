import * as z from "zod";
import type { Check, CheckDefinition, Facts, ToolCall, Verdict } from "../plugins/contract.ts";
import type { PolicyEngine, PolicyResult } from "../policies/engine.ts";
import { policyInput } from "../policies/input.ts";

/** What the policy check is lent: the policy in force, read anew for every call. */
export interface PolicyPowers {
  readonly engine: () => PolicyEngine;
  /** SHA-256 of the policy's Wasm, lower-case hex. */
  readonly policyDigest: () => string;
}

/** The name under which refusals and configuration know this check. */
export const POLICY = "policy";

/** The policy check: asks the Rego policy about the call and everything that earlier checks established. */
export function policy(powers: PolicyPowers): CheckDefinition<Record<string, never>> {
  return {
    name: POLICY,
    contract: 1,
    options: z.strictObject({}),
    requires: ["principal"],
    setup: (): Check => ({ run: (call, facts) => askPolicy(powers, call, facts) }),
  };
}

function askPolicy(powers: PolicyPowers, call: ToolCall, facts: Facts): Verdict {
  const policyDigest = powers.policyDigest();
  return verdictOf(powers.engine().evaluate(policyInput(call, facts)), policyDigest);
}

function verdictOf(result: PolicyResult, policyDigest: string): Verdict {
  switch (result.decision) {
    case "allow":
      return {
        kind: "pass",
        facts: {
          decision: "allow",
          policy_digest: policyDigest,
          ...(result.code === undefined ? {} : { code: result.code }),
        },
      };
    case "block":
      return { kind: "block", code: result.code, reason: result.reason };
    case "escalate":
      return { kind: "escalate", reason: result.reason };
  }
}
