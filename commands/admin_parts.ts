import { adminApp } from "../admin/app.ts";
import { createAttemptThrottle } from "../admin/attempt_throttle.ts";
import { auditRoutes } from "../admin/audit.ts";
import type { AttemptRefusal } from "../admin/authentication.ts";
import type { AdminApp, AdminEnvironment } from "../admin/environment.ts";
import { killSwitchRoutes } from "../admin/kill_switches.ts";
import { operatorDigest } from "../admin/operator.ts";
import { operatorRoutes, type OperatorStore } from "../admin/operators.ts";
import { revocationRoutes } from "../admin/revocations.ts";
import { tenantRoutes } from "../admin/tenants.ts";
import { tokenRoutes } from "../admin/tokens.ts";
import { GatewayError } from "../core/errors.ts";
import type { KeyRing } from "../core/key_ring.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Configuration } from "./configuration.ts";
import type { AuditParts } from "./audit_parts.ts";
import type { GatewayParts } from "./gateway_parts.ts";
import { newId, randomBytes } from "./random.ts";
import type { StoreParts } from "./store_parts.ts";
import type { ResolvedUpstreams } from "./upstreams.ts";

export interface AdminPartsOptions {
  readonly configuration: Configuration;
  readonly ring: KeyRing;
  readonly store: StoreParts;
  readonly parts: GatewayParts;
  readonly audit: AuditParts;
  readonly operatorToken: string;
  readonly upstreams: ResolvedUpstreams;
  readonly sourceIpOf: (request: Request) => string;
  readonly log: Log;
}

/** Joins the admin API with the store. */
export function buildAdmin({ configuration, ring, store, parts, ...options }: AdminPartsOptions): AdminApp {
  const { config } = configuration;
  const key = parts.keys.get(ring.active);
  if (key === undefined) throw new GatewayError("key_unusable", `The key ring has no key "${ring.active}"`);
  const environment: AdminEnvironment = {
    ...{ source: options.audit.source, settingsVersion: () => store.settings.version(), newId, randomBytes },
    nowMs: () => Date.now(),
    transact: (work) => store.db.transact(work),
    appendIn: (tx, entries) => store.audit.appendIn(tx, entries),
    tenantExists: (tenant) => store.db.deadline(store.tenants.exists(tenant)),
  };
  return adminApp({
    credentials: {
      rootDigest: operatorDigest(options.operatorToken),
      find: (tokenSha256) => store.db.deadline(store.operators.find(tokenSha256)),
    },
    ...{ sourceIpOf: options.sourceIpOf, onRefused: recordAttempts(options.audit) },
    throttle: createAttemptThrottle({ nowMs: () => performance.now() }),
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
      operators: operatorRoutes(environment, operatorStore(store)),
      "kill-switches": killSwitchRoutes(environment, {
        engage: (tx, killSwitch) => store.killSwitches.engage(tx, killSwitch),
        release: (tx, number, by) => store.killSwitches.release(tx, number, by),
        engaged: (after, limit, only) => store.db.deadline(store.killSwitches.engaged(after, limit, only)),
        findEngaged: (number) => store.db.deadline(store.killSwitches.findEngaged(number)),
        isUpstream: (name) => options.upstreams.configs.has(name),
      }),
      tenants: tenantRoutes(environment, {
        create: (tx, name, settings) => store.tenants.create(tx, name, settings),
        update: (tx, name, version, settings) => store.tenants.update(tx, name, version, settings),
        find: (name) => store.db.deadline(store.tenants.find(name)),
        page: (after, limit, only) => store.db.deadline(store.tenants.page(after, limit, only)),
        changed: () => store.settings.refresh().catch(() => {}), // committed already; the next poll finds it
      }),
    },
    onError: (error) => options.log("error", "An admin request met a fault", { error: errorText(error) }),
  });
}

/** Failed attempts go where refused calls go: counted and gathered, so that a flood fills no chain. */
function recordAttempts({ refusedAttempts }: AuditParts) {
  return (code: AttemptRefusal, sourceIp: string) =>
    refusedAttempts.record({
      ...{ decisionId: newId(), code, method: "admin", upstream: "~admin", sourceIp, timeMs: Date.now() },
    });
}

function operatorStore({ db, operators, tenants }: StoreParts): OperatorStore {
  return {
    insert: (tx, operator) => operators.insert(tx, operator),
    list: (afterId, limit) => db.deadline(operators.list(afterId, limit)),
    disable: (tx, id) => operators.disable(tx, id),
    knownTenants: (tx, names) => tenants.known(tx, names),
  };
}
