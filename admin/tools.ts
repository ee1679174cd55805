import { type AuditEntry, INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { type NamedTool, ToolNames } from "../core/name_skeleton.ts";
import type { Operator } from "../core/operator.ts";
import { mapInSlices, type Pacing } from "../core/slices.ts";
import { toolDiff, toolDiffText } from "../core/tool_diff.ts";
import { toolFlags } from "../core/tool_flags.ts";
import type { PinState } from "../core/tool_pin.ts";
import type { Tx } from "../core/tx.ts";
import { TOOL_ROUTES } from "./contract/tools.ts";
import { type AdminEnvironment, type AdminVariables, changeEntry } from "./environment.ts";
import { actsFor } from "./operator.ts";
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, changing, reading } from "./route.ts";

/** One pin, as `store/tool_pins.ts` keeps it. Times in epoch seconds. */
export interface PinnedTool {
  readonly upstream: string;
  readonly name: string;
  readonly state: PinState;
  readonly isListed: boolean;
  readonly digest?: string | undefined;
  readonly definition?: string | undefined;
  readonly pinnedAt?: number | undefined;
  readonly pinnedBy?: string | undefined;
  readonly candidate?: string | undefined;
  readonly candidateDefinition?: string | undefined;
  readonly candidateAt?: number | undefined;
  readonly blockedAt?: number | undefined;
  readonly blockedBy?: string | undefined;
}

/** Definitions are long, and a page has many. */
const PACING: Pacing = {
  nowMs: () => performance.now(),
  pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
};

/** What the routes read and change; `store/` fits. */
export interface ToolStore {
  page(filter: {
    readonly upstreams: readonly string[];
    readonly state?: PinState | undefined;
    readonly after?: NamedTool | undefined;
    readonly limit: number;
  }): Promise<readonly PinnedTool[]>;
  find(upstream: string, name: string): Promise<PinnedTool | undefined>;
  lookAlikes(names: readonly string[], upstreams: readonly string[]): Promise<readonly NamedTool[]>;
  /** `undefined` when the upstream shows another digest by now. */
  approve(
    tx: Tx,
    of: NamedTool & { readonly digest: string; readonly operator: string },
  ): Promise<PinnedTool | undefined>;
  block(tx: Tx, of: NamedTool & { readonly operator: string }): Promise<PinnedTool | undefined>;
  /** Called after a change has committed: this replica sees it before the change is answered. */
  changed(): Promise<void>;
}

/** Tenants of every configured upstream by its name; `"*"` among them is every tenant. */
export type UpstreamTenants = ReadonlyMap<string, readonly string[]>;

/** Pins of tools. They belong to upstreams: who may use an upstream sees its tools. */
export function toolRoutes(
  environment: AdminEnvironment,
  store: ToolStore,
  upstreams: UpstreamTenants,
): readonly AdminRoute[] {
  const find = async (operator: Operator, { upstream, name }: NamedTool): Promise<PinnedTool> => {
    const isSeen = seenBy(operator, upstreams).includes(upstream);
    const found = isSeen ? await store.find(upstream, name) : undefined;
    if (found === undefined) throw unknownTool();
    return found;
  };
  return [
    reading(TOOL_ROUTES.list, async ({ operator, query: { upstream, state, after, limit } }) => {
      const seen = seenBy(operator, upstreams);
      const asked = upstream === undefined ? seen : seen.filter((name) => name === upstream);
      const rows = await store.page({ upstreams: asked, state, after: cursorOf(after), limit });
      const others = rows.length === 0 ? [] : await store.lookAlikes(rows.map(({ name }) => name), seen);
      const names = new ToolNames(others);
      return {
        tools: await mapInSlices(
          rows,
          (row) => ({ ...listed(row), flags: toolFlags(currentOf(row), { ...row, names }).length }),
          PACING,
        ),
        next_after: nextAfter(rows, limit, (row) => `${row.upstream}/${row.name}`),
      };
    }),
    reading(TOOL_ROUTES.show, async ({ operator, params }) => {
      const found = await find(operator, params);
      return shown(found, await store.lookAlikes([found.name], seenBy(operator, upstreams)));
    }),
    changing(environment, TOOL_ROUTES.approve, async (request, commit) => {
      const { operator, params, body: { digest, reason } } = request;
      const found = await find(operator, params);
      requireReach(operator, upstreams, params.upstream);
      if ((found.candidate ?? found.digest) !== digest) throw conflict(digest);
      const committed = await commit(async (tx) => {
        const approved = await store.approve(tx, { ...params, digest, operator: operator.id });
        if (approved === undefined) throw conflict(digest);
        const events = [entryOf(environment, request, "tool.approved", approved, reason)];
        return { answer: listed(approved), events };
      });
      await store.changed();
      return committed;
    }),
    changing(environment, TOOL_ROUTES.block, async (request, commit) => {
      const { operator, params, body: { reason } } = request;
      await find(operator, params);
      requireReach(operator, upstreams, params.upstream);
      const committed = await commit(async (tx) => {
        const blocked = await store.block(tx, { ...params, operator: operator.id });
        if (blocked === undefined) throw unknownTool();
        const events = [entryOf(environment, request, "tool.blocked", blocked, reason)];
        return { answer: listed(blocked), events };
      });
      await store.changed();
      return committed;
    }),
  ];
}

/** Names of the upstreams that some tenant of the operator's may use. */
function seenBy(operator: Operator, upstreams: UpstreamTenants): readonly string[] {
  return [...upstreams].filter(([, tenants]) =>
    tenants.some((tenant) => tenant === "*" || actsFor(operator, tenant))
  )
    .map(([name]) => name);
}

/** A pin holds for every tenant of the upstream. */
function requireReach(operator: Operator, upstreams: UpstreamTenants, upstream: string): void {
  const tenants = upstreams.get(upstream) ?? [];
  if (operator.tenants === "*" || tenants.every((tenant) => tenant !== "*" && actsFor(operator, tenant))) {
    return;
  }
  const detail = `A pin of upstream "${upstream}" takes an operator of all tenants that may use it`;
  throw new ProblemError({ status: 403, code: "forbidden", detail });
}

function cursorOf(text: string | undefined): NamedTool | undefined {
  if (text === undefined) return undefined;
  const slash = text.indexOf("/");
  return { upstream: text.slice(0, slash), name: text.slice(slash + 1) };
}

function unknownTool(): ProblemError {
  const { code, detail } = TOOL_ROUTES.show.unknown;
  return new ProblemError({ status: 404, code, detail });
}

function conflict(digest: string): ProblemError {
  const detail = `Expected the tool with digest "${digest}", the upstream shows another definition by now`;
  return new ProblemError({ status: 409, code: "digest_conflict", detail });
}

function entryOf(
  environment: AdminEnvironment,
  variables: AdminVariables["Variables"],
  code: "tool.approved" | "tool.blocked",
  { upstream, name, digest, candidate }: PinnedTool,
  reason: string,
): AuditEntry {
  const data: JsonObject = {
    upstream,
    name,
    digest,
    ...(candidate === undefined ? {} : { seen: candidate }),
  };
  return changeEntry(environment, variables, {
    ...{ tenant: INSTALLATION_CHAIN, code, activity: 3, reason },
    entity: { type: "tool", uid: `${upstream}/${name}`, data },
  });
}

function listed({ upstream, name, state, isListed, digest, candidate }: PinnedTool) {
  return {
    ...{ upstream, name, state, listed: isListed },
    ...(digest === undefined ? {} : { digest }),
    ...(candidate === undefined ? {} : { seen: candidate }),
  };
}

function shown(row: PinnedTool, others: readonly NamedTool[]) {
  const current = currentOf(row);
  const pinned = row.definition === undefined ? undefined : parse(row.definition);
  const changes = pinned === undefined ? [] : toolDiff(pinned, current);
  return {
    ...listed(row),
    ...(pinned === undefined
      ? {}
      : { pinned: { definition: pinned, at: Math.floor(row.pinnedAt ?? 0), by: row.pinnedBy ?? "" } }),
    ...(row.candidate === undefined
      ? {}
      : { current: { definition: current, since: Math.floor(row.candidateAt ?? 0) } }),
    ...(row.blockedAt === undefined
      ? {}
      : { blocked: { at: Math.floor(row.blockedAt), by: row.blockedBy ?? "" } }),
    report: {
      changes: changes.map((change) => ({ ...change })),
      changes_text: toolDiffText(changes),
      flags: toolFlags(current, { ...row, names: new ToolNames(others) }).map((flag) => ({ ...flag })),
    },
  };
}

/** What the upstream shows. */
function currentOf({ candidateDefinition, definition }: PinnedTool): JsonObject {
  return parse(candidateDefinition ?? definition ?? "{}");
}

function parse(text: string): JsonObject {
  const value: JsonValue = JSON.parse(text);
  if (!isJsonObject(value)) throw new TypeError("A stored definition is no object");
  return value;
}
