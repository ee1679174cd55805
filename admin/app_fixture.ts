/** The whole admin API for unit tests: real routes over tables in memory. */
import type { AuditEntry } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { deriveHmacKey, generateKeyRing } from "../core/key_ring.ts";
import type { Operator } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import { adminApp } from "./app.ts";
import { createAttemptThrottle } from "./attempt_throttle.ts";
import { auditRoutes } from "./audit.ts";
import type { AdminEnvironment } from "./environment.ts";
import { type EngagedKillSwitch, killSwitchRoutes, type KillSwitchStore } from "./kill_switches.ts";
import { operatorDigest } from "./operator.ts";
import { type ListedOperator, operatorRoutes, type OperatorStore } from "./operators.ts";
import { revocationRoutes } from "./revocations.ts";
import { type ListedTenant, tenantRoutes, type TenantStore } from "./tenants.ts";
import { tokenRoutes } from "./tokens.ts";

/** The start-up token of the fixture. */
export const ROOT_TOKEN = "igo_0123456789abcdef";

const TENANTS = ["acme", "default"];

/** One request to the fixture. */
export interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly sourceIp?: string;
}

/** Builds the app, and what its routes wrote. */
export async function adminApi() {
  const entries: AuditEntry[] = [];
  const inserted: unknown[] = [];
  const faults: unknown[] = [];
  const refused: string[] = [];
  const clock = { ms: 0 };
  const tenants = tenantTable();
  const operators = operatorTable();
  const environment = environmentOf(entries, tenants);
  const ring = generateKeyRing((length) => crypto.getRandomValues(new Uint8Array(length)));
  const app = adminApp({
    credentials: { rootDigest: operatorDigest(ROOT_TOKEN), find: operators.find },
    throttle: createAttemptThrottle({ nowMs: () => clock.ms }),
    onRefused: (refusal, sourceIp) => void refused.push(`${refusal} ${sourceIp}`),
    sourceIpOf: (request) => request.headers.get("x-test-ip") ?? "127.0.0.1",
    routes: {
      tokens: tokenRoutes(environment, {
        ...{ kid: ring.active, key: await deriveHmacKey(ring, ring.active, "token"), issuer: "intentgate" },
        ...{ maxLifetimeSeconds: 86_400, insert: (_tx, record) => Promise.resolve(inserted.push(record)) },
        enforced: new Set(["upstreams", "tools", "deny_tools", "args", "methods", "nbf", "max_calls"]),
      }),
      revocations: revocationRoutes(environment, {
        findBlockId: (_tenant, jti) => Promise.resolve(jti.startsWith("known") ? "B".repeat(43) : undefined),
        insert: (_tx, revocation) => Promise.resolve(inserted.push(revocation)),
      }),
      audit: auditRoutes(environment, {
        head: () => Promise.reject(new Error("secret detail")),
        read: () => Promise.resolve([{ seq: 1, canonical: '{"a":1}', hash: "00" }]),
      }),
      operators: operatorRoutes(environment, operators),
      tenants: tenantRoutes(environment, tenants),
      "kill-switches": killSwitchRoutes(environment, killSwitchTable()),
    },
    onError: (error) => void faults.push(error),
  });
  const send = async (path: string, asked: Asked = {}) =>
    await app.request(path, {
      method: asked.method ?? (asked.body === undefined ? "GET" : "POST"),
      headers: {
        ...{ authorization: `Bearer ${asked.token ?? ROOT_TOKEN}`, "content-type": "application/json" },
        ...(asked.sourceIp === undefined ? {} : { "x-test-ip": asked.sourceIp }),
        ...asked.headers,
      },
      ...(asked.body === undefined
        ? {}
        : { body: typeof asked.body === "string" ? asked.body : JSON.stringify(asked.body) }),
    });
  const ask = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
    send(path, { body, headers });
  /** Makes a named operator and returns its token. */
  const operator = async (id: string, role: Operator["role"], tenants: Operator["tenants"]) =>
    (await (await ask("/operators", { id, role, tenants, ttl_seconds: 600 })).json()).token as string;
  return { app, ask, send, operator, clock, entries, inserted, faults, refused };
}

function environmentOf(entries: AuditEntry[], tenants: TenantStore): AdminEnvironment {
  let id = 0;
  return {
    source: { logId: "log-1", version: "0", replicaId: "r", configDigest: "c" },
    settingsVersion: () => 1,
    nowMs: () => 1_700_000_000_000,
    newId: () => `e${++id}`,
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    transact: (work) => work({} as Tx),
    appendIn: (_tx, added) => Promise.resolve(entries.push(...added)),
    tenantExists: async (tenant) => await tenants.find(tenant) !== undefined,
  };
}

function tenantTable(): TenantStore {
  const rows = new Map<string, ListedTenant>(
    TENANTS.map((name) => [name, { name, version: 1, settings: {}, createdAt: 1_700_000_000.5 }]),
  );
  let version = 1;
  const put = (name: string, settings: JsonObject): ListedTenant => {
    const row = { name, version: ++version, settings, createdAt: 1_700_000_000.5 };
    rows.set(name, row);
    return row;
  };
  return {
    create: (_tx, name, settings) => Promise.resolve(rows.has(name) ? undefined : put(name, settings)),
    update: (_tx, name, from, settings) =>
      Promise.resolve(rows.get(name)?.version === from ? put(name, settings) : undefined),
    find: (name) => Promise.resolve(rows.get(name)),
    page: (after, limit, only) =>
      Promise.resolve(
        [...rows.values()].filter(({ name }) => name > after && (only?.includes(name) ?? true))
          .sort((left, right) => left.name < right.name ? -1 : 1).slice(0, limit),
      ),
    changed: () => Promise.resolve(),
  };
}

function operatorTable() {
  const rows = new Map<string, ListedOperator & { readonly digest: string }>();
  const table: OperatorStore = {
    insert: (_tx, { tokenSha256, ttlSeconds, ...operator }) => {
      const existing = rows.get(operator.id);
      if (existing !== undefined && existing.disabledAt === undefined) return Promise.resolve(undefined);
      const times = {
        createdAt: 1_700_000_000,
        expiresAt: 1_700_000_000 + ttlSeconds,
        disabledAt: undefined,
      };
      rows.set(operator.id, { ...operator, ...times, digest: tokenSha256.toString() });
      return Promise.resolve(times.expiresAt);
    },
    list: (after, limit) =>
      Promise.resolve([...rows.values()].filter(({ id }) => id > after).sort(byId).slice(0, limit)),
    disable: (_tx, id) => {
      const row = rows.get(id);
      if (row === undefined || row.disabledAt !== undefined) return Promise.resolve(false);
      rows.set(id, { ...row, disabledAt: 1_700_000_001 });
      return Promise.resolve(true);
    },
    knownTenants: (_tx, names) => Promise.resolve(names.filter((name) => TENANTS.includes(name))),
  };
  const find = (digest: Uint8Array) =>
    Promise.resolve(
      [...rows.values()].find((row) => row.disabledAt === undefined && row.digest === digest.toString()),
    );
  return { ...table, find };
}

function killSwitchTable(): KillSwitchStore {
  const rows = new Map<number, EngagedKillSwitch>();
  let number = 0;
  return {
    engage: (_tx, killSwitch) => {
      rows.set(++number, { ...killSwitch, number, createdAt: 1_700_000_000.5 });
      return Promise.resolve(number);
    },
    release: (_tx, engaged) => Promise.resolve(rows.delete(engaged) ? ++number : undefined),
    engaged: (after, limit, only) =>
      Promise.resolve(
        [...rows.values()].filter((row) => row.number > after)
          .filter(({ tenant }) => tenant === undefined || (only?.includes(tenant) ?? true)).slice(0, limit),
      ),
    findEngaged: (engaged) => Promise.resolve(rows.get(engaged)),
    isUpstream: (name) => name === "erp",
  };
}

function byId(left: ListedOperator, right: ListedOperator): number {
  return left.id < right.id ? -1 : 1;
}
