/** What exists for a caller: the lists that it gets, and the names that it may call by. */
import type { NamedItems, Principal, ToolCall, ToolDefinition } from "../core/call.ts";
import { GatewayError } from "../core/errors.ts";
import type { Stage } from "../plugins/loading.ts";
import type { Deadlines } from "./deadlines.ts";
import { ListCache, type ListCacheLimits, type ListKey } from "./list_cache.ts";
import { askAboutNames, askAboutTools, findHiders, type Hider, hidersOf, type Question } from "./listing.ts";
import type { Run } from "./runner.ts";
import type { Snapshot } from "./snapshot.ts";

/** A caller whose principal was established, and what it is judged by. */
export interface Onlooker {
  readonly snapshot: Snapshot;
  /** Through the stage that established the principal. */
  readonly run: Run;
  readonly principal: Principal;
}

export interface VisibilityOptions {
  readonly deadlines: Deadlines;
  readonly nowMs: () => number;
  /** A clock that never steps; `performance.now` unless a test has its own. */
  readonly steadyMs?: () => number;
  readonly limits?: ListCacheLimits;
  /** Called with what a check threw when it was asked about a call. */
  readonly onFault: (check: string, call: ToolCall, error: unknown) => void;
}

/** Asks the checks what a caller may ever use, and keeps the answers for a moment. */
export class Visibility {
  readonly #options: VisibilityOptions;
  readonly #cache: ListCache;
  #stages: readonly Stage[] | undefined;

  constructor(options: VisibilityOptions) {
    this.#options = options;
    const { nowMs, limits, steadyMs = () => performance.now() } = options;
    this.#cache = new ListCache({ nowMs, steadyMs, ...(limits === undefined ? {} : { limits }) });
  }

  /** Which of these tools the caller may list. Rejects with `GatewayError` when that takes longer than `timeoutMs`. */
  async tools(
    of: Onlooker,
    tools: readonly ToolDefinition[],
    timeoutMs: number,
  ): Promise<readonly boolean[]> {
    if (this.#hasExpired(of)) return tools.map(() => false);
    const upstream = tools[0]?.upstream ?? "";
    if (tools.some((tool) => tool.upstream !== upstream)) return await this.#mixedTools(of, tools, timeoutMs);
    const items = tools.map((tool) => ({ name: tool.name, of: tool }));
    const hiders = await this.#within(
      timeoutMs,
      (signal) =>
        this.#cache.hiders(this.#keyOf(of, "tools/call", upstream), items, async (unknown) => {
          const question = askAboutTools(of.snapshot.stages, of.run.facts, signal);
          return await findHiders(unknown.map((item) => item.of), question);
        }),
    );
    return hiders.map((hider) => hider === undefined);
  }

  /** Names of several upstreams may be the same: each upstream's are kept apart. */
  async #mixedTools(
    of: Onlooker,
    tools: readonly ToolDefinition[],
    timeoutMs: number,
  ): Promise<readonly boolean[]> {
    const listed = new Set<ToolDefinition>();
    for (const group of Map.groupBy(tools, ({ upstream }) => upstream).values()) {
      const answers = await this.tools(of, group, timeoutMs);
      for (const [index, tool] of group.entries()) if (answers[index] === true) listed.add(tool);
    }
    return tools.map((tool) => listed.has(tool));
  }

  /** Which of these prompts or resources the caller may list. */
  async names(of: Onlooker, named: NamedItems, timeoutMs: number): Promise<readonly boolean[]> {
    const { names, ...kind } = named;
    if (this.#hasExpired(of)) return names.map(() => false);
    const items = names.map((name) => ({ name, of: undefined }));
    const hiders = await this.#within(
      timeoutMs,
      (signal) =>
        this.#cache.hiders(this.#keyOf(of, kind.method, kind.upstream), items, async (unknown) => {
          const question = askAboutNames(of.snapshot.stages, kind, of.run.facts, signal);
          return await findHiders(unknown.map(({ name }) => name), question);
        }),
    );
    return hiders.map((hider) => hider === undefined);
  }

  /**
   * Who hides the tool that is called. Only a yes is taken from the cache: asking about what is hidden takes as long as
   * asking about what does not exist.
   */
  toolHider(of: Onlooker, call: ToolCall, tool: ToolDefinition): Hider | Promise<Hider> {
    const key = this.#keyOf(of, "tools/call", tool.upstream);
    const item = { name: tool.name, of: tool };
    if (this.#cache.isListed(key, item)) return undefined;
    const hider = this.#askOne(call, [tool], askAboutTools(of.snapshot.stages, of.run.facts, NEVER));
    const keep = (answer: Hider) => {
      if (answer === undefined) this.#cache.keep(key, item, answer);
      return answer;
    };
    return hider instanceof Promise ? hider.then(keep) : keep(hider);
  }

  /** Asks the same about a tool that is not there, so that the time of the answer tells nothing. */
  async askAboutUnknown(of: Onlooker, call: ToolCall): Promise<void> {
    const { upstream, name } = call;
    const tool: ToolDefinition = { upstream, name, inputSchema: {}, annotations: {} };
    await this.#askOne(call, [tool], askAboutTools(of.snapshot.stages, of.run.facts, NEVER));
  }

  /** Who hides the prompt or the resource that is named. The first stage has decided on that very name already. */
  nameHider(of: Onlooker, call: ToolCall): Hider | Promise<Hider> {
    if (call.name === "") return undefined;
    const { upstream, method, name } = call;
    const question = askAboutNames(of.snapshot.stages.slice(1), { upstream, method }, of.run.facts, NEVER);
    return this.#askOne(call, [name], question);
  }

  /** A check that cannot say that something may be used hides it. */
  #askOne<Item>(call: ToolCall, item: readonly [Item], question: Question<Item>): Hider | Promise<Hider> {
    const failed = (error: unknown): Hider => {
      this.#options.onFault("lists", call, error);
      return "gateway";
    };
    try {
      const hiders = hidersOf(item, question);
      if (!(hiders instanceof Promise)) return hiders[0];
      const late = () => new GatewayError("check_timeout", "No answer before the call's deadline");
      return this.#options.deadlines.race(hiders, call.deadlineMs, late).then(([hider]) => hider, failed);
    } catch (error) {
      return failed(error);
    }
  }

  async #within<Result>(timeoutMs: number, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const { deadlines, nowMs } = this.#options;
    const abort = new AbortController();
    return await deadlines.race(work(abort.signal), nowMs() + timeoutMs, () => {
      abort.abort();
      return new GatewayError("check_timeout", `A list was not decided on within ${timeoutMs} ms`);
    });
  }

  #hasExpired({ principal }: Onlooker): boolean {
    return this.#options.nowMs() >= principal.expiresAt * 1000;
  }

  #keyOf({ snapshot, principal }: Onlooker, method: string, upstream: string): ListKey {
    // Other checks are other answers; nothing in a key could name them.
    if (this.#stages !== snapshot.stages) {
      this.#stages = snapshot.stages;
      this.#cache.clear();
    }
    const { tenant, agent, blockIds, expiresAt } = principal;
    const versions = [snapshot.settingsVersion, listsVersion(snapshot.stages)];
    const key = JSON.stringify([method, upstream, tenant, agent, blockIds, ...versions]);
    return { key, root: blockIds[0] ?? "", expiresAtMs: expiresAt * 1000 };
  }
}

/** Changes whenever the checks may list other things than before for somebody. */
export function listsVersion(stages: readonly Stage[]): string {
  return stages.map(({ check }) => check.listsVersion?.() ?? "").join(" ");
}

/** For questions about one name: the call's deadline ends the waiting. */
const NEVER = new AbortController().signal;
