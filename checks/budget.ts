import * as z from "zod";
import type { CallAttachments } from "../core/attachments.ts";
import { MAX_COUNTERS_PER_ROOT } from "../core/audit_entry.ts";
import { isJsonObject } from "../core/json.ts";
import type { Check, CheckDefinition, Facts, ToolCall, Verdict } from "../plugins/contract.ts";

/** What the budget check is lent: it counts by conditions on the append of the decision, so exactly and durably. */
export interface BudgetPowers {
  readonly attachments: CallAttachments;
}

/** The name under which refusals and configuration know this check. */
export const BUDGET = "budget";

/**
 * The budget check: `max_calls` of every block of the token, counted in the database in the transaction that records the
 * allow. A call that never reached the upstream is given back.
 */
export function budget(powers: BudgetPowers): CheckDefinition<Record<string, never>> {
  return {
    name: BUDGET,
    contract: 1,
    options: z.strictObject({}),
    requires: ["principal"],
    setup: (): Check => ({
      run: (call, facts) => countCalls(powers.attachments, call, facts),
      settle: (call, ending) => {
        if (ending.kind !== "not_forwarded") return;
        for (const { condition } of powers.attachments.conditionsOf(call)) {
          if (condition.kind === "consume_call") {
            powers.attachments.addEffect(call, { kind: "return_call", block_id: condition.block_id });
          }
        }
      },
    }),
  };
}

function countCalls(attachments: CallAttachments, call: ToolCall, facts: Facts): Verdict {
  const limits = limitsOf(facts);
  if (limits.length === 0) return { kind: "skip", reason: "the token limits no calls" };
  for (const { blockId, rootBlockId, max, expiresAt } of limits) {
    attachments.addCondition(call, {
      condition: {
        ...{ kind: "consume_call", block_id: blockId, root_block_id: rootBlockId },
        ...{ max, expires_at: expiresAt },
      },
      refusal: {
        check: BUDGET,
        code: "max_calls_reached",
        reason: `The token allows ${max} calls and all of them are used`,
      },
      refusalWhenFull: {
        check: BUDGET,
        code: "too_many_counters",
        reason: `The tokens made from one already have ${MAX_COUNTERS_PER_ROOT} counted limits`,
      },
    });
  }
  return {
    kind: "pass",
    facts: { max_calls: limits.map(({ blockId, max }) => ({ block_id: blockId, max })) },
  };
}

interface CallLimit {
  readonly blockId: string;
  readonly rootBlockId: string;
  readonly max: number;
  /** Of the root block: a child that expires sooner must not take its parent's count along. */
  readonly expiresAt: number;
}

/** The limits that the principal's check established; anything malformed is a bug and throws. */
function limitsOf(facts: Facts): readonly CallLimit[] {
  const principal = facts.principal;
  const limits = principal?.max_calls;
  if (limits === undefined) return [];
  if (!Array.isArray(limits)) throw new TypeError("Fact principal.max_calls is not a list");
  return limits.map((limit) => {
    const { block_id, max } = isJsonObject(limit) ? limit : {};
    const { root_expires_at: expiresAt, root_block_id: rootBlockId } = principal ?? {};
    if (
      typeof block_id !== "string" || typeof max !== "number" ||
      typeof rootBlockId !== "string" || typeof expiresAt !== "number"
    ) {
      throw new TypeError("Fact principal.max_calls holds something that is no limit");
    }
    return { blockId: block_id, rootBlockId, max, expiresAt };
  });
}
