import * as z from "zod";
import type {
  Check,
  CheckContext,
  CheckDefinition,
  Facts,
  ToolCall,
  ToolDefinition,
  Verdict,
} from "../plugins/contract.ts";
import type { PolicyEngine, PolicyResult } from "../policies/engine.ts";
import { type ListedName, listingInput, policyInput } from "../policies/input.ts";

/** What the policy check is lent: the policy in force, read anew for every call. */
export interface PolicyPowers {
  readonly engine: () => PolicyEngine;
  /** SHA-256 of the policy's Wasm, lower-case hex. */
  readonly policyDigest: () => string;
  /** What a call of the tool would have in `facts.capability.named_exactly`. */
  readonly namedExactly?: (tool: ToolDefinition, facts: Facts) => boolean | undefined;
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
    setup: (_options, context): Check => ({
      run: (call, facts) => askPolicy(powers, call, facts),
      lists: (tools, facts) =>
        tools.map((tool) => {
          const { upstream, name } = tool;
          const namedExactly = powers.namedExactly?.(tool, facts);
          return mayList(powers, context, facts, {
            upstream,
            method: "tools/call",
            name,
            tool,
            namedExactly,
          });
        }),
      listsNames: ({ upstream, method, names }, facts) =>
        names.map((name) => mayList(powers, context, facts, { upstream, method, name })),
      listsVersion: powers.policyDigest,
    }),
  };
}

/** Whoever cannot be asked about hides nothing else: a fault is this name's own. */
function mayList(powers: PolicyPowers, context: CheckContext, facts: Facts, listed: ListedName): boolean {
  try {
    return powers.engine().mayList(listingInput(listed, facts, context.nowMs()));
  } catch (error) {
    const { upstream, method } = listed;
    const said = error instanceof Error ? error.message : String(error);
    context.log("warn", "A policy cannot say what may be listed", { upstream, method, error: said });
    return false;
  }
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
