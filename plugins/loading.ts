/**
 * From the configuration's list of stages to running checks: parse every stage's options (all errors at once), verify
 * the facts each one requires, set up in order with a time limit, and undo when one fails.
 */
import type { StageConfig } from "../core/config.ts";
import { GatewayError } from "../core/errors.ts";
import type { Check, CheckContext, CheckDefinition } from "./contract.ts";

/** One running stage. */
export interface Stage {
  readonly name: string;
  readonly establishesPrincipal: boolean;
  readonly check: Check;
}

export interface LoadingOptions {
  readonly stages: readonly StageConfig[];
  /** Known checks by name. */
  readonly definitions: ReadonlyMap<string, CheckDefinition>;
  readonly context: (name: string) => CheckContext;
  readonly setupTimeoutMs?: number;
}

/** Sets up a pipeline. Throws one `GatewayError` (`config_invalid`) that lists every problem. */
export async function loadStages(options: LoadingOptions): Promise<readonly Stage[]> {
  const parsed = await parseStages(options);
  const stages: Stage[] = [];
  for (const { definition, value } of parsed) {
    try {
      const check = await withinMs(
        options.setupTimeoutMs ?? 10_000,
        definition.name,
        async () => await definition.setup(value, options.context(definition.name)),
      );
      stages.push({
        name: definition.name,
        establishesPrincipal: definition.establishes === "principal",
        check,
      });
      refuseReserved(definition.name, check);
    } catch (error) {
      await closeStages(stages);
      throw error;
    }
  }
  return stages;
}

/** Closes stages in reverse order; every one is closed even when another's `close` throws. */
export async function closeStages(stages: readonly Stage[]): Promise<void> {
  const errors: unknown[] = [];
  for (const stage of stages.toReversed()) {
    try {
      await stage.check.close?.();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, "Cannot close every check");
}

interface ParsedStage {
  readonly definition: CheckDefinition;
  readonly value: unknown;
}

async function parseStages(options: LoadingOptions): Promise<readonly ParsedStage[]> {
  const problems: string[] = [];
  const parsed: ParsedStage[] = [];
  const known = new Set<string>();
  for (const [index, stage] of options.stages.entries()) {
    const at = `pipeline[${index}] "${stage.check}"`;
    const definition = options.definitions.get(stage.check);
    if (definition === undefined) {
      problems.push(`${at}: no such check; known are ${[...options.definitions.keys()].join(", ")}`);
      continue;
    }
    problems.push(...orderProblems(at, index, definition, known));
    known.add(definition.name);
    if (definition.establishes === "principal") known.add("principal");
    const result = await definition.options["~standard"].validate(stage.options);
    if (result.issues === undefined) parsed.push({ definition, value: result.value });
    else {for (const issue of result.issues) {
        problems.push(`${at}: options${pathText(issue.path)}: ${issue.message}`);
      }}
  }
  if (problems.length > 0) throw new GatewayError("config_invalid", problems.join("\n"));
  return parsed;
}

function orderProblems(
  at: string,
  index: number,
  definition: CheckDefinition,
  known: ReadonlySet<string>,
): string[] {
  const problems: string[] = [];
  if (definition.contract !== 1) {
    problems.push(`${at}: speaks check contract ${definition.contract}, expected 1`);
  }
  if (known.has(definition.name)) problems.push(`${at}: stands twice in the pipeline`);
  if (index === 0 && definition.establishes !== "principal") {
    problems.push(`${at}: stands first but does not establish the principal`);
  }
  for (const fact of definition.requires ?? []) {
    if (!known.has(fact)) problems.push(`${at}: requires "${fact}", which no earlier check establishes`);
  }
  return problems;
}

function pathText(path: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined): string {
  return (path ?? []).map((part) => `.${String(typeof part === "object" ? part.key : part)}`).join("");
}

function refuseReserved(name: string, check: Check): void {
  if (check.result !== undefined) {
    throw new GatewayError(
      "config_invalid",
      `Check "${name}" inspects results, which this version does not offer yet`,
    );
  }
}

async function withinMs<T>(timeoutMs: number, name: string, work: () => Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(new GatewayError("config_invalid", `Check "${name}" was not set up within ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
