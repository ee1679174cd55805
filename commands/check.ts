import type { TreeStore } from "../audit/tiles.ts";
import { parseCheckpointKeys } from "./checkpoint_keys.ts";
import type { ExitCode, Terminal } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { configuredHardening } from "./database_roles.ts";
import { checkPipeline } from "./checks_parts.ts";
import type { Hardening } from "../store/database_role.ts";
import { parseListen } from "./listener.ts";
import { parseKeyRing } from "../core/key_ring.ts";
import { buildPlaces } from "./place_parts.ts";

/** Prints what would run, or throws with everything that is wrong. */
export async function checkConfiguration(
  terminal: Terminal,
  options: { readonly json: boolean },
): Promise<ExitCode> {
  const configuration = await loadConfiguration(terminal);
  const { config } = configuration;
  parseListen(config.listen);
  if (config.admin_listen !== undefined) parseListen(config.admin_listen);
  if (configuration.keyRingText !== undefined) parseKeyRing(configuration.keyRingText);
  const { checkpointKeysText } = configuration;
  if (checkpointKeysText !== undefined) parseCheckpointKeys(checkpointKeysText, "INTENTGATE_CHECKPOINT_KEYS");
  buildPlaces(configuration, { tree: NO_TREE, verifiersOf: () => [] });
  await checkPipeline(config);
  const database = configuration.databaseUrl === undefined ? "embedded" : maskUrl(configuration.databaseUrl);
  const { migrationUrl } = configuration;
  const shown = {
    ...{ file: configuration.file ?? null, digest: configuration.digest, database },
    ...(migrationUrl === undefined ? {} : { migration_database: maskUrl(migrationUrl) }),
    ...{ hardening: configuredHardening(configuration), config },
  };
  terminal.print(options.json ? JSON.stringify(shown) : text(shown));
  return 0;
}

/** Without asking the database, as everything here; `/readyz` tells what is so. */
const HARDENING: Readonly<Record<Hardening, string>> = {
  embedded: "embedded",
  owner: "owner: one role, unless another one has migrated; see DATABASE_MIGRATION_URL",
  separated: "separated: the role that serves only reads and calls functions",
};

/** Nothing is pushed here. */
const NO_TREE: TreeStore = {
  fullTile: () => Promise.resolve(undefined),
  ...{ tileRoots: () => Promise.resolve([]), entries: () => Promise.resolve([]) },
};

/** A database URL without its password. */
export function maskUrl(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password !== "") parsed.password = "***";
    for (const name of [...parsed.searchParams.keys()]) {
      if (/pass|secret|token/i.test(name)) parsed.searchParams.set(name, "***");
    }
    return parsed.toString();
  } catch {
    return "***";
  }
}

function text(shown: {
  readonly file: string | null;
  readonly digest: string;
  readonly database: string;
  readonly migration_database?: string;
  readonly hardening: Hardening;
  readonly config: Awaited<ReturnType<typeof loadConfiguration>>["config"];
}): string {
  const { config } = shown;
  const pipeline = config.pipeline.map((stage) => stage.check).join(" → ");
  const upstreams = Object.entries(config.upstreams ?? {}).map(([name, upstream]) => {
    const secret = Object.keys(upstream.headers).map((header) => `${header}: ***`).join(", ");
    const { url, command } = upstream;
    return `  ${name.padEnd(16)} ${url ?? `program "${command}"`}${secret === "" ? "" : ` (${secret})`}`;
  });
  const places = config.checkpoint_places.map(({ name, type }) => `  ${name.padEnd(16)} ${type}`);
  return [
    `Configuration is valid (digest ${shown.digest.slice(0, 12)})`,
    `  file             ${shown.file ?? "none"}`,
    `  listen           ${config.listen}`,
    ...(config.admin_listen === undefined ? [] : [`  admin listen     ${config.admin_listen}`]),
    `  data folder      ${config.data_dir}`,
    `  database         ${shown.database}`,
    ...(shown.migration_database === undefined ? [] : [`  migrations       ${shown.migration_database}`]),
    `  hardening        ${HARDENING[shown.hardening]}`,
    `  pipeline         ${pipeline}`,
    "Upstreams",
    ...(upstreams.length > 0
      ? upstreams
      : ["  acme             the demo server, because none is configured"]),
    ...(places.length === 0 ? [] : ["Checkpoint places", ...places]),
  ].join("\n");
}
