import type { UpstreamConfig } from "../core/config.ts";
import { type AnswerSeal, createAnswerSeal } from "../admin/answer_seal.ts";
import { adminApp } from "../admin/app.ts";
import { createAttemptThrottle } from "../admin/attempt_throttle.ts";
import { type AuditLog, auditRoutes } from "../admin/audit.ts";
import { auditActionRoutes } from "../admin/audit_actions.ts";
import { auditPlaceRoutes } from "../admin/audit_places.ts";
import { auditSearchRoutes } from "../admin/audit_search.ts";
import { auditStreamRoutes } from "../admin/audit_stream.ts";
import type { AttemptRefusal } from "../admin/authentication.ts";
import { documentRoutes } from "../admin/document.ts";
import type { AdminApp, AdminEnvironment } from "../admin/environment.ts";
import type { IdempotencyStore } from "../admin/idempotency.ts";
import { killSwitchRoutes, type KillSwitchStore } from "../admin/kill_switches.ts";
import { type OperatorCredentials, operatorDigest, operatorOf } from "../admin/operator.ts";
import { operatorRoutes, type OperatorStore } from "../admin/operators.ts";
import { revocationRoutes } from "../admin/revocations.ts";
import type { AdminRoute } from "../admin/route.ts";
import { tenantRoutes, type TenantStore } from "../admin/tenants.ts";
import { tokenRoutes } from "../admin/tokens.ts";
import { toolRoutes, type ToolStore } from "../admin/tools.ts";
import { upstreamRoutes } from "../admin/upstreams.ts";
import { GatewayError } from "../core/errors.ts";
import { deriveSealKeys, type KeyRing } from "../core/key_ring.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Configuration } from "./configuration.ts";
import type { AuditParts } from "./audit_parts.ts";
import type { GatewayParts } from "./gateway_parts.ts";
import type { LogParts } from "./log_parts.ts";
import { witnessKeysOf } from "./place_parts.ts";
import { auditActionStore } from "./audit_action_parts.ts";
import { newId, randomBytes } from "./random.ts";
import type { SearchParts } from "./search_parts.ts";
import type { StoreParts } from "./store_parts.ts";
import type { ResolvedUpstreams } from "./upstreams.ts";
import { VERSION } from "./version.ts";

export interface AdminPartsOptions {
  readonly configuration: Configuration;
  readonly ring: KeyRing;
  readonly store: StoreParts;
  readonly parts: GatewayParts;
  readonly audit: AuditParts;
  readonly logs: LogParts;
  readonly search: SearchParts;
  readonly operatorToken: string;
  readonly upstreams: ResolvedUpstreams;
  readonly sourceIpOf: (request: Request) => string;
  readonly log: Log;
}

/** Joins the admin API with the store. */
export async function buildAdmin(options: AdminPartsOptions): Promise<AdminApp> {
  const { ring, store } = options;
  const environment: AdminEnvironment = {
    ...{ source: options.audit.source, settingsVersion: () => store.settings.version(), newId, randomBytes },
    nowMs: () => Date.now(),
    idempotency: { store: idempotencyStore(store), seal: await answerSeal(ring) },
    transact: (work) => store.db.transact(work),
    appendIn: (tx, entries) => store.audit.appendIn(tx, entries),
    tenantExists: (tenant) => store.db.deadline(store.tenants.exists(tenant)),
  };
  const credentials: OperatorCredentials = {
    rootDigest: operatorDigest(options.operatorToken),
    find: (tokenSha256) => store.db.deadline(store.operators.find(tokenSha256)),
  };
  return adminApp({
    credentials,
    ...{ sourceIpOf: options.sourceIpOf, onRefused: recordAttempts(options.audit) },
    throttle: createAttemptThrottle({ nowMs: () => performance.now() }),
    routes: [
      ...buildRoutes(environment, options),
      ...auditSearchRoutes(environment, options.search.search),
      ...auditStreamRoutes(environment, {
        ...options.search.following,
        identify: (authorization) => operatorOf(credentials, authorization),
      }),
    ],
    onError: (error) => options.log("error", "An admin request met a fault", { error: errorText(error) }),
  });
}

function buildRoutes(environment: AdminEnvironment, options: AdminPartsOptions): readonly AdminRoute[] {
  const { configuration: { config }, ring, store, parts, upstreams } = options;
  const key = parts.keys.get(ring.active);
  if (key === undefined) throw new GatewayError("key_unusable", `The key ring has no key "${ring.active}"`);
  return [
    ...tokenRoutes(environment, {
      ...{ kid: ring.active, key, issuer: config.issuer, enforced: parts.enforced },
      maxLifetimeSeconds: config.max_token_lifetime_seconds,
      insert: (tx, record) => store.tokens.insert(tx, record),
      page: (query) => store.db.deadline(store.tokens.page(query)),
    }),
    ...revocationRoutes(environment, {
      findBlockId: (tenant, jti) => store.db.deadline(store.tokens.findBlockId(tenant, jti)),
      insert: (tx, revocation) => store.revocationRows.insert(tx, revocation),
      blocks: (tenant, after, limit) => store.db.deadline(store.revocationRows.blocks(tenant, after, limit)),
    }),
    ...auditRoutes(environment, auditLog(options)),
    ...auditActionRoutes(
      environment,
      auditLog(options),
      auditActionStore(store, config, options.audit.erasures),
    ),
    ...auditPlaceRoutes(environment, {
      configured: config.checkpoint_places,
      signedSize: async (chain) => (await store.chain.latestCheckpoint(chain))?.size,
      states: (chain) => store.db.deadline(store.checkpointPlaces.states(chain)),
      signedAfter: (chain, size) => store.db.deadline(store.checkpointPlaces.signedAfter(chain, size)),
    }),
    ...operatorRoutes(environment, operatorStore(store)),
    ...killSwitchRoutes(environment, killSwitchStore(store, upstreams)),
    ...tenantRoutes(environment, tenantStore(store)),
    ...upstreamRoutes(
      [...upstreams.configs].map(([name, config]) => ({
        ...{ name, url: addressOf(config), tenants: config.tenants },
      })),
    ),
    ...toolRoutes(
      environment,
      toolStore(store),
      new Map([...upstreams.configs].map(([name, config]) => [name, config.tenants])),
    ),
    ...documentRoutes(VERSION),
  ];
}

function auditLog({ store, logs, configuration }: AdminPartsOptions): AuditLog {
  return {
    ...{ reader: store.chain, originOf: logs.originOf, verifierKeys: logs.verifierKeys },
    witnessKeys: () => witnessKeysOf(configuration),
    heldElsewhere: (chain) => logs.heldElsewhere(chain),
    sign: (chain) => logs.signing.signNow(chain).catch(() => {}), // told by its own round
  };
}

/** Where an upstream is: the program alone for one that is started, because its arguments may be secret. */
function addressOf({ url, command }: UpstreamConfig): string {
  return url ?? `stdio:${command ?? ""}`;
}

/** A key that is retired ends the answers that were sealed under it. */
async function answerSeal(ring: KeyRing): Promise<AnswerSeal> {
  return createAnswerSeal(await deriveSealKeys(ring, "idempotency"), randomBytes);
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

function toolStore({ db, toolPins, settings }: StoreParts): ToolStore {
  return {
    page: (filter) => db.deadline(toolPins.page(filter)),
    find: (upstream, name) => db.deadline(toolPins.find(upstream, name)),
    lookAlikes: (names, upstreams) => db.deadline(toolPins.lookAlikes(names, upstreams)),
    approve: (tx, of) => toolPins.approve(tx, of),
    block: (tx, of) => toolPins.block(tx, of),
    changed: () => settings.refresh().catch(() => {}), // committed already; the next poll finds it
  };
}

function idempotencyStore({ db, idempotency }: StoreParts): IdempotencyStore {
  return {
    find: (owned) => db.deadline(idempotency.find(owned)),
    claim: (tx, owned, most) => idempotency.claim(tx, owned, most),
    keep: (tx, owned, kept, seconds) => idempotency.keep(tx, owned, kept, seconds),
    forget: (tx, operator) => idempotency.forget(tx, operator),
  };
}

function killSwitchStore({ db, killSwitches }: StoreParts, upstreams: ResolvedUpstreams): KillSwitchStore {
  return {
    engage: (tx, killSwitch) => killSwitches.engage(tx, killSwitch),
    release: (tx, number, by) => killSwitches.release(tx, number, by),
    engaged: (after, limit, only) => db.deadline(killSwitches.engaged(after, limit, only)),
    findEngaged: (number) => db.deadline(killSwitches.findEngaged(number)),
    isUpstream: (name) => upstreams.configs.has(name),
  };
}

function tenantStore({ db, tenants, settings }: StoreParts): TenantStore {
  return {
    create: (tx, name, values) => tenants.create(tx, name, values),
    update: (tx, name, version, values) => tenants.update(tx, name, version, values),
    find: (name) => db.deadline(tenants.find(name)),
    page: (after, limit, only) => db.deadline(tenants.page(after, limit, only)),
    changed: () => settings.refresh().catch(() => {}), // committed already; the next poll finds it
  };
}
