/** What the routes of the admin API share: who asks, what the time is, and how a change and its event commit together. */
import type { Hono } from "hono";
import type { AppendResult, AuditEntry } from "../core/audit_entry.ts";
import type { EventSource } from "../audit/event.ts";
import { adminEvent } from "../audit/admin_event.ts";
import { valueDigest } from "../audit/kept_values.ts";
import { canonicalEvent } from "../audit/shorten.ts";
import { tenantName } from "../core/config.ts";
import type { Operator } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import type { Idempotency } from "./idempotency.ts";
import { actsFor } from "./operator.ts";
import { ProblemError } from "./problem.ts";

/** Variables of every admin request. */
export interface AdminVariables {
  readonly Variables: { readonly operator: Operator; readonly sourceIp: string };
}
export type AdminApp = Hono<AdminVariables>;

/** What the admin API needs from the rest; `commands/serve.ts` joins it with the store. */
export interface AdminEnvironment {
  readonly source: EventSource;
  readonly settingsVersion: () => number;
  readonly nowMs: () => number;
  readonly newId: () => string;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly idempotency: Idempotency;
  transact<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Appends an event in an open transaction; always its last statement. */
  appendIn(tx: Tx, entries: readonly AuditEntry[]): Promise<readonly AppendResult[]>;
  tenantExists(tenant: string): Promise<boolean>;
}

/** One change to record. */
export interface Change {
  readonly tenant: string;
  readonly code: string;
  readonly activity: 1 | 2 | 3 | 4;
  readonly entity: Parameters<typeof adminEvent>[1]["entity"];
  /** What the operator typed: it stands beside the event, which has its digest. */
  readonly reason?: string | undefined;
  readonly description?: string | undefined;
}

/** The chain entry of one change by one operator. */
export function changeEntry(
  environment: AdminEnvironment,
  { operator, sourceIp }: AdminVariables["Variables"],
  change: Change,
): AuditEntry {
  const eventId = environment.newId();
  const { reason, description, ...rest } = change;
  const texts = Object.entries({ reason, description }).filter((text) => text[1] !== undefined) as [
    string,
    string,
  ][];
  const salt = texts.length === 0 ? undefined : environment.randomBytes(32);
  const event = adminEvent(environment.source, {
    ...rest,
    ...(salt === undefined ? {} : {
      textDigests: Object.fromEntries(
        texts.map(([field, text]) => [`${field}_digest`, valueDigest(salt, text)]),
      ),
    }),
    eventId,
    timeMs: environment.nowMs(),
    settingsVersion: environment.settingsVersion(),
    operator,
    sourceIp,
  });
  return {
    ...{ chain: change.tenant, eventId, canonical: canonicalEvent(event), conditions: [] },
    ...(salt === undefined ? {} : { salt, values: Object.fromEntries(texts) }),
  };
}

/** Refuses a tenant that does not exist or that the operator may not act for; both get the same answer. */
export async function requireTenant(
  environment: AdminEnvironment,
  operator: Operator,
  tenant: string,
): Promise<void> {
  const may = tenantName.safeParse(tenant).success && actsFor(operator, tenant);
  if (may && await environment.tenantExists(tenant)) return;
  throw new ProblemError({
    status: 404,
    code: "unknown_tenant",
    detail: `Tenant "${tenant}" does not exist`,
  });
}
