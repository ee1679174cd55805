import { adminApp } from "../admin/app.ts";
import { auditRoutes } from "../admin/audit.ts";
import type { AdminApp, AdminEnvironment } from "../admin/environment.ts";
import { operatorDigest } from "../admin/operator.ts";
import { revocationRoutes } from "../admin/revocations.ts";
import { tokenRoutes } from "../admin/tokens.ts";
import { GatewayError } from "../core/errors.ts";
import type { KeyRing } from "../core/key_ring.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Configuration } from "./configuration.ts";
import type { AuditParts } from "./audit_parts.ts";
import type { GatewayParts } from "./gateway_parts.ts";
import { newId, randomBytes } from "./random.ts";
import type { StoreParts } from "./store_parts.ts";

export interface AdminPartsOptions {
  readonly configuration: Configuration;
  readonly ring: KeyRing;
  readonly store: StoreParts;
  readonly parts: GatewayParts;
  readonly audit: AuditParts;
  readonly operatorToken: string;
  readonly sourceIpOf: (request: Request) => string;
  readonly log: Log;
}

/** Joins the admin API with the store. */
export function buildAdmin({ configuration, ring, store, parts, ...options }: AdminPartsOptions): AdminApp {
  const { config } = configuration;
  const key = parts.keys.get(ring.active);
  if (key === undefined) throw new GatewayError("key_unusable", `The key ring has no key "${ring.active}"`);
  const environment: AdminEnvironment = {
    ...{ source: options.audit.source, settingsVersion: () => store.settingsVersion, newId, randomBytes },
    nowMs: () => Date.now(),
    transact: (work) => store.db.transact(work),
    appendIn: (tx, entries) => store.audit.appendIn(tx, entries),
    tenantExists: (tenant) => store.db.deadline(store.tenants.exists(tenant)),
  };
  return adminApp({
    credentials: { rootDigest: operatorDigest(options.operatorToken) },
    sourceIpOf: options.sourceIpOf,
    routes: {
      tokens: tokenRoutes(environment, {
        ...{ kid: ring.active, key, issuer: config.issuer, enforced: parts.enforced },
        maxLifetimeSeconds: config.max_token_lifetime_seconds,
        insert: (tx, record) => store.tokens.insert(tx, record),
      }),
      revocations: revocationRoutes(environment, {
        findBlockId: (tenant, jti) => store.db.deadline(store.tokens.findBlockId(tenant, jti)),
        insert: (tx, revocation) => store.revocationRows.insert(tx, revocation),
      }),
      audit: auditRoutes(environment, store.chain),
    },
    onError: (error) => options.log("error", "An admin request met a fault", { error: errorText(error) }),
  });
}
