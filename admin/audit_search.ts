/** Finding events of the audit chains. */
import { searchEvents, type SearchIndex } from "../audit/search/search_events.ts";
import { requireChain } from "./audit_access.ts";
import { AUDIT_SEARCH_ROUTES } from "./contract/audit_search.ts";
import type { AdminEnvironment } from "./environment.ts";
import { ProblemError } from "./problem.ts";
import { createReaderSlots } from "./reader_slots.ts";
import { type AdminRoute, reading } from "./route.ts";

/** Searches at once, of all operators and of one, in one replica: they share the database with the calls. */
const MAX_SEARCHES = 4;
const MAX_SEARCHES_PER_OPERATOR = 2;
/** How long one search may look before it answers with what it has. */
const MAX_SEARCH_MS = 1_000;

/** What searching needs; `commands/search_parts.ts` joins it. */
export interface AuditSearchParts {
  readonly index: SearchIndex;
  /** A clock that never steps, milliseconds. */
  readonly steadyMs: () => number;
  /** Told of every search: how long it took, and whether it saw all it was asked for. */
  readonly onSearched: (answer: "whole" | "partial", seconds: number) => void;
}

/** The search. */
export function auditSearchRoutes(
  environment: AdminEnvironment,
  { index, steadyMs, onSearched }: AuditSearchParts,
): readonly AdminRoute[] {
  const slots = createReaderSlots({
    ...{ most: MAX_SEARCHES, mostPerOperator: MAX_SEARCHES_PER_OPERATOR, idleMs: MAX_SEARCH_MS },
  });
  return [
    reading(AUDIT_SEARCH_ROUTES.search, async ({ operator, query }) => {
      const { tenant, after: before, limit, ...asked } = query;
      await requireChain(environment, operator, tenant);
      const slot = slots.take(operator.id);
      if (slot === undefined) throw tooMany(operator.id);
      const startedMs = steadyMs();
      try {
        const isLate = () => steadyMs() - startedMs > MAX_SEARCH_MS;
        const found = await searchEvents(index, { chain: tenant, asked, before, limit, isLate });
        const { events, nextBefore = null, indexedTo } = found;
        const isWhole = nextBefore === null || events.length === limit;
        onSearched(isWhole ? "whole" : "partial", (steadyMs() - startedMs) / 1000);
        return { tenant, events: [...events], next_after: nextBefore, indexed_to: indexedTo };
      } finally {
        slot.release();
      }
    }),
  ];
}

function tooMany(operatorId: string): ProblemError {
  return new ProblemError({
    ...{ status: 429, code: "too_many_searches", retryAfterSeconds: 1 },
    detail: `Too many searches are under way, of operator "${operatorId}" or of all together`,
  });
}
