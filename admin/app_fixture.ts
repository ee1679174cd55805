/** The whole admin API for unit tests: real routes over tables in memory. */
import { parseCheckpointText } from "../audit/checkpoint.ts";
import { type FixtureLog, honestLog } from "../audit/export/export_fixture.ts";
import { parseNote } from "../audit/signed_note.ts";
import type { AuditEntry } from "../core/audit_entry.ts";
import type { JsonObject } from "../core/json.ts";
import { deriveHmacKey, generateKeyRing } from "../core/key_ring.ts";
import type { Operator } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import { type AnswerSeal, createAnswerSeal } from "./answer_seal.ts";
import { adminApp } from "./app.ts";
import { createAttemptThrottle } from "./attempt_throttle.ts";
import { type AuditLog, auditRoutes } from "./audit.ts";
import { auditPlaceRoutes, type PlaceReader } from "./audit_places.ts";
import { type ActionState, actionTable, NAMED_TOKEN, PRUNABLE } from "./actions_fixture.ts";
import { auditActionRoutes } from "./audit_actions.ts";
import { openApiDocument } from "./contract/openapi.ts";
import { documented } from "./documented_fixture.ts";
import { documentRoutes } from "./document.ts";
import type { AdminEnvironment } from "./environment.ts";
import type { Idempotency, IdempotencyStore } from "./idempotency.ts";
import { type EngagedKillSwitch, killSwitchRoutes, type KillSwitchStore } from "./kill_switches.ts";
import { type OperatorCredentials, operatorDigest } from "./operator.ts";
import { type ListedOperator, operatorRoutes, type OperatorStore } from "./operators.ts";
import { revocationRoutes, type RevocationStore, type RevokedBlock } from "./revocations.ts";
import type { AdminRoute } from "./route.ts";
import { searchRoutes } from "./search_fixture.ts";
import { type ListedTenant, tenantRoutes, type TenantStore } from "./tenants.ts";
import { type MintedRecord, type Minting, tokenRoutes } from "./tokens.ts";
import { toolTable } from "./tools_fixture.ts";
import { toolRoutes } from "./tools.ts";
import { upstreamRoutes } from "./upstreams.ts";

/** The start-up token of the fixture. */
export const ROOT_TOKEN = "igo_0123456789abcdef";

const TENANTS = ["acme", "default"];
const UPSTREAMS = [
  { name: "erp", url: "https://erp.example/mcp?key=secret", tenants: ["acme"] },
  { name: "crm", url: "https://crm.example:8443/mcp", tenants: ["*"] },
];

/** One request to the fixture. */
export interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly sourceIp?: string;
}

/** What looking up a named token meets, and what reading the head of a chain does. */
interface FixtureState {
  fault: Error | undefined;
  chainFault: Error | undefined;
  isUnsigned: boolean;
  searchesHang: boolean;
  /** Reading the head of a chain is never answered. */
  chainsHang: boolean;
  isPruned: boolean;
  actions: ActionState;
}

function firstState(): FixtureState {
  return {
    ...{ isUnsigned: false, searchesHang: false, chainsHang: false, isPruned: false },
    actions: { ...PRUNABLE },
    fault: undefined,
    chainFault: new Error("secret detail"),
  };
}

/** Builds the app, and what its routes wrote. Every answer of `send` and `ask` is held against the OpenAPI document. */
export async function adminApi(answers = documented(openApiDocument("0.0.0"))) {
  const state = firstState();
  const entries: AuditEntry[] = [];
  const inserted: unknown[] = [];
  const faults: unknown[] = [];
  const refused: string[] = [];
  /** Answers that a test has not read to their end. */
  const unread: Response[] = [];
  const clock = { ms: 0 };
  const tenants = tenantTable();
  const operators = operatorTable();
  const keys = idempotencyTable();
  const environment = environmentOf(entries, tenants, { store: keys, seal: await answerSeal() });
  const credentials: OperatorCredentials = {
    rootDigest: operatorDigest(ROOT_TOKEN),
    find: (digest) => state.fault === undefined ? operators.find(digest) : Promise.reject(state.fault),
  };
  const search = searchRoutes(environment, { credentials, state, steadyMs: () => clock.ms });
  const routes = await routesOf(environment, { tenants, operators, inserted, state });
  const app = adminApp({
    credentials,
    throttle: createAttemptThrottle({ nowMs: () => clock.ms }),
    onRefused: (refusal, sourceIp) => void refused.push(`${refusal} ${sourceIp}`),
    sourceIpOf: (request) => request.headers.get("x-test-ip") ?? "127.0.0.1",
    routes: [...routes, ...search.routes],
    onError: (error) => void faults.push(error),
  });
  const send = async (path: string, asked: Asked = {}) => {
    const method = asked.method ?? (asked.body === undefined ? "GET" : "POST");
    const response = await app.request(path, {
      method,
      headers: {
        ...{ authorization: `Bearer ${asked.token ?? ROOT_TOKEN}`, "content-type": "application/json" },
        ...(asked.sourceIp === undefined ? {} : { "x-test-ip": asked.sourceIp }),
        ...asked.headers,
      },
      ...(asked.body === undefined
        ? {}
        : { body: typeof asked.body === "string" ? asked.body : JSON.stringify(asked.body) }),
    });
    await answers.check({ method, path: path.split("?")[0] ?? path, response });
    return response;
  };
  const ask = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
    send(path, { body, headers });
  /** Makes a named operator and returns its token. */
  const operator = async (id: string, role: Operator["role"], tenants: Operator["tenants"]) =>
    (await (await ask("/operators", { id, role, tenants, ttl_seconds: 600 })).json()).token as string;
  return {
    ...{ app, ask, send, operator, answers, clock, entries, inserted, faults, refused, state, unread },
    ...{ streams: search.streams, recorded: search.recorded },
  };
}

interface Tables {
  readonly tenants: TenantStore;
  readonly operators: OperatorStore;
  readonly inserted: unknown[];
  readonly state: {
    readonly chainFault: Error | undefined;
    readonly chainsHang: boolean;
    readonly isUnsigned: boolean;
    readonly isPruned: boolean;
    readonly actions: ActionState;
  };
}

async function routesOf(
  environment: AdminEnvironment,
  { tenants, operators, inserted, state }: Tables,
): Promise<readonly AdminRoute[]> {
  const ring = generateKeyRing((length) => crypto.getRandomValues(new Uint8Array(length)));
  return [
    ...tokenRoutes(environment, {
      ...{ kid: ring.active, key: await deriveHmacKey(ring, ring.active, "token"), issuer: "intentgate" },
      ...{ maxLifetimeSeconds: 86_400, ...mintedTable(inserted) },
      enforced: new Set(["upstreams", "tools", "deny_tools", "args", "methods", "nbf", "max_calls"]),
    }),
    ...revocationRoutes(environment, revocationTable(inserted)),
    ...auditRoutes(environment, await auditLog(state)),
    ...auditActionRoutes(environment, await auditLog(state), actionTable(state.actions, TENANTS)),
    ...auditPlaceRoutes(environment, PLACES),
    ...operatorRoutes(environment, operators),
    ...tenantRoutes(environment, tenants),
    ...killSwitchRoutes(environment, killSwitchTable()),
    ...upstreamRoutes(UPSTREAMS),
    ...toolRoutes(
      environment,
      toolTable(),
      new Map([["desk", ["default"]], ...UPSTREAMS.map(({ name, tenants }) => [name, tenants] as const)]),
    ),
    ...documentRoutes("0.0.0"),
  ];
}

/** A witness that has what is signed, and a webhook that has nothing. */
const PLACES: PlaceReader = {
  configured: [{ name: "lite", type: "witness" }, { name: "hook", type: "webhook" }],
  signedSize: () => Promise.resolve(10),
  states: () =>
    Promise.resolve([{
      ...{ place: "lite", size: 8, pushedAt: 1_699_999_990.5, failures: 2, lastError: "It answered 503" },
      ...{ failedAt: 1_699_999_995.5, conflict: { code: "rolled_back", size: 12 } },
    }]),
  signedAfter: (_, size) => Promise.resolve(size === undefined ? 1_699_999_900.25 : 1_699_999_992),
};

/** A signed log of a few honest events for every tenant; the head of a chain may be a fault. */
async function auditLog(state: Tables["state"]): Promise<AuditLog> {
  const logs = new Map<string, FixtureLog>();
  for (const tenant of TENANTS) logs.set(tenant, await honestLog(5, 1, tenant));
  const of = (chain: string) => logs.get(chain);
  const checkpointOf = (chain: string) => {
    const log = of(chain);
    if (log === undefined || state.isUnsigned) return undefined;
    const [size, note] = [log.entries.length, log.checkpoint(log.entries.length)];
    const { root } = parseCheckpointText(parseNote(note).text);
    return { size, note, root, signedAt: 1_700_000_000.5 };
  };
  return {
    reader: {
      head: (chain) =>
        state.chainsHang
          ? Promise.withResolvers<never>().promise
          : state.chainFault === undefined
          ? Promise.resolve({ seq: of(chain)?.entries.length ?? 0, hash: "00".repeat(32) })
          : Promise.reject(state.chainFault),
      read: (chain, after, limit) =>
        Promise.resolve(
          (of(chain)?.entries ?? []).map((canonical, at) => ({
            seq: at + 1,
            canonical,
            hash: "00".repeat(32),
          }))
            .slice(after, after + limit),
        ),
      oldest: async (chain, range, needles, limit, maxBytes) =>
        await of(chain)?.source.oldest(chain, range, needles, limit, maxBytes) ?? [],
      latestCheckpoint: (chain) => Promise.resolve(checkpointOf(chain)),
      checkpointUpTo: (chain, size) =>
        Promise.resolve([checkpointOf(chain)].find((found) => found !== undefined && found.size <= size)),
      cosignatures: () => Promise.resolve([]),
      latestCosigned: () => Promise.resolve(undefined),
      stillOpen: () => Promise.resolve([]),
      appendedAt: () => Promise.resolve(undefined),
      pruned: () => Promise.resolve(state.isPruned ? { to: 5, requestSeq: 6, eventSeq: 7 } : undefined),
      strandedSalt: () => Promise.resolve(undefined),
      privateOf: (_, seqs) =>
        Promise.resolve(seqs.map((seq) => ({ seq, salt: new Uint8Array(32), values: { reason: "why" } }))),
      fullTile: (chain, level, index) => Promise.resolve(of(chain)?.source.fullTile(chain, level, index)),
      tileRoots: () => Promise.resolve([]),
      entries: (chain, from, to) =>
        Promise.resolve(state.isPruned ? [] : (of(chain)?.entries ?? []).slice(from, to)),
    },
    originOf: (chain) => `gateway.example/${chain}`,
    verifierKeys: () => [],
    witnessKeys: () => [],
    heldElsewhere: () => Promise.resolve({}),
    sign: () => Promise.resolve(),
  };
}

function environmentOf(
  entries: AuditEntry[],
  tenants: TenantStore,
  idempotency: Idempotency,
): AdminEnvironment {
  let id = 0;
  return {
    source: { logId: "log-1", version: "0", replicaId: "r", configDigest: "c" },
    settingsVersion: () => 1,
    nowMs: () => 1_700_000_000_000,
    newId: () => `e${++id}`,
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    idempotency,
    transact: (work) => work({} as Tx),
    appendIn: (_tx, added) =>
      Promise.resolve(
        added.map((entry) => ({ status: "appended", seq: entries.push(entry), hash: "00".repeat(32) })),
      ),
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
  const named = operatorDigest(NAMED_TOKEN).toString();
  const find = (digest: Uint8Array): Promise<Pick<Operator, "id" | "role" | "tenants"> | undefined> =>
    Promise.resolve(
      digest.toString() === named
        ? { id: "named-admin", role: "admin", tenants: "*" }
        : [...rows.values()].find((row) => row.disabledAt === undefined && row.digest === digest.toString()),
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

function mintedTable(inserted: unknown[]): Pick<Minting, "insert" | "page"> {
  const rows: MintedRecord[] = [];
  return {
    insert: (_tx, record) => Promise.resolve(inserted.push(record) + rows.push(record)),
    page: ({ tenant, agent, after, limit }) =>
      Promise.resolve(
        rows.filter((row) => row.tenant === tenant && (agent === undefined || row.agent === agent))
          .sort((left, right) => left.jti < right.jti ? -1 : 1)
          .filter((row) => after === undefined || row.jti > after.jti).slice(0, limit)
          .map(({ kid: _, ...row }) => ({ ...row, revoked: false })),
      ),
  };
}

function revocationTable(inserted: unknown[]): RevocationStore {
  const rows: RevokedBlock[] = [];
  return {
    findBlockId: (_tenant, jti) => Promise.resolve(jti.startsWith("known") ? "B".repeat(43) : undefined),
    insert: (_tx, { value: blockId, kind: _, ...rest }) => {
      rows.push({ ...rest, blockId, number: rows.length + 1, createdAt: 1_700_000_000.5 });
      inserted.push({ ...rest, value: blockId });
      return Promise.resolve(rows.length);
    },
    blocks: (tenant, after, limit) =>
      Promise.resolve(rows.filter((row) => row.tenant === tenant && row.number > after).slice(0, limit)),
  };
}

/** Keys whose text begins with "held" are always in flight, with "full" one too many; those with "lost" open never. */
function idempotencyTable(): IdempotencyStore {
  const rows = new Map<string, Parameters<IdempotencyStore["keep"]>[2]>();
  const nameOf = ({ operator, key }: { readonly operator: string; readonly key: string }) =>
    `${operator} ${key}`;
  return {
    find: (owned) => Promise.resolve(rows.get(nameOf(owned))),
    claim: (_tx, owned) => {
      const kept = rows.get(nameOf(owned));
      if (owned.key.startsWith("held")) return Promise.resolve({ state: "in_flight" });
      if (owned.key.startsWith("full")) return Promise.resolve({ state: "full", retryAfterSeconds: 60 });
      return Promise.resolve(kept === undefined ? { state: "free" } : { state: "kept", kept });
    },
    keep: (_tx, owned, { requestSha256, sealed }) => {
      const kept = { requestSha256, sealed: owned.key.startsWith("lost") ? "igi1.gone.AAAA" : sealed };
      return Promise.resolve(void rows.set(nameOf(owned), kept));
    },
    forget: (_tx, operator) => {
      for (const name of rows.keys()) if (name.startsWith(`${operator} `)) rows.delete(name);
      return Promise.resolve();
    },
  };
}

async function answerSeal(): Promise<AnswerSeal> {
  const usages: KeyUsage[] = ["encrypt", "decrypt"];
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, usages);
  return createAnswerSeal(
    { active: "k1", keys: new Map([["k1", key]]) },
    (length) => crypto.getRandomValues(new Uint8Array(length)),
  );
}

function byId(left: ListedOperator, right: ListedOperator): number {
  return left.id < right.id ? -1 : 1;
}
