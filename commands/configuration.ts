/** Finds the configuration: defaults, then the file, then `INTENTGATE_*` variables; secrets only by variable or file. */
import { createHash } from "node:crypto";
import { parse as parseYaml } from "yaml";
import type * as z from "zod";
import { canonicalJson } from "../core/canonical_json.ts";
import { CHECKPOINT_PLACE_MEMBERS } from "../core/checkpoint_places.ts";
import { type Config, configSchema } from "../core/config.ts";
import { GatewayError } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { nearest } from "../core/nearest.ts";
import { type PlaceSecrets, resolvePlaceSecrets } from "./place_secrets.ts";
import { readSecret, resolveSource } from "./secrets.ts";
import { resolveUpstreamSecrets, type UpstreamSecrets } from "./upstream_secrets.ts";

/** The environment as the program reads it; tests pass their own. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readTextFile: (path: string) => Promise<string>;
}

/** Everything a process needs to start. */
export interface Configuration {
  readonly config: Config;
  /** Where the configuration came from, for messages. */
  readonly file: string | undefined;
  /** SHA-256 of the configuration without what may differ between replicas; lower-case hex. */
  readonly digest: string;
  readonly databaseUrl: string | undefined;
  /** URL with the role that owns the objects; absent when one role does everything. */
  readonly migrationUrl: string | undefined;
  readonly operatorToken: string | undefined;
  readonly keyRingText: string | undefined;
  readonly checkpointKeysText: string | undefined;
  /** Secret headers per upstream, resolved. */
  readonly upstreamHeaders: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** What else an upstream is reached with, resolved. */
  readonly upstreamSecrets: ReadonlyMap<string, UpstreamSecrets>;
  /** What checkpoint places are reached with, resolved. */
  readonly placeSecrets: PlaceSecrets;
}

/** Variables that are no members of the file. */
const OTHER_VARIABLES = [
  "INTENTGATE_CONFIG",
  "INTENTGATE_OPERATOR_TOKEN",
  "INTENTGATE_OPERATOR_TOKEN_FILE",
  "INTENTGATE_KEYS",
  "INTENTGATE_KEYS_FILE",
  "INTENTGATE_CHECKPOINT_KEYS",
  "INTENTGATE_CHECKPOINT_KEYS_FILE",
  "INTENTGATE_LOG_LEVEL",
  "INTENTGATE_URL",
];

/** Members that a variable can set: those that are one text or one number. */
const SCALARS = Object.keys(configSchema.shape).filter((name) =>
  !["upstreams", "pipeline", "allowed_hosts", "checkpoint_places"].includes(name)
);

/** Reads and checks the whole configuration. Throws one `GatewayError` (`config_invalid`) that lists every problem. */
export async function loadConfiguration(surroundings: Surroundings): Promise<Configuration> {
  const file = surroundings.env.INTENTGATE_CONFIG;
  const written = file === undefined ? {} : await readConfigFile(file, surroundings);
  const problems: string[] = [];
  const merged = { ...written, ...fromVariables(surroundings.env, problems) };
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap((issue) => issueText(issue, merged)));
  if (problems.length > 0 || !parsed.success) {
    const where = file === undefined ? "the environment" : `"${file}" and the environment`;
    throw new GatewayError(
      "config_invalid",
      `Cannot use the configuration from ${where}:\n  ${problems.join("\n  ")}`,
    );
  }
  return {
    config: parsed.data,
    file,
    digest: digestOf(parsed.data),
    databaseUrl: await readSecret(surroundings, "DATABASE_URL"),
    migrationUrl: await readSecret(surroundings, "DATABASE_MIGRATION_URL"),
    operatorToken: await readSecret(surroundings, "INTENTGATE_OPERATOR_TOKEN"),
    keyRingText: await readSecret(surroundings, "INTENTGATE_KEYS"),
    checkpointKeysText: await readSecret(surroundings, "INTENTGATE_CHECKPOINT_KEYS"),
    upstreamHeaders: await resolveHeaders(parsed.data, surroundings),
    upstreamSecrets: await resolveUpstreamSecrets(parsed.data, surroundings),
    placeSecrets: await resolvePlaceSecrets(parsed.data.checkpoint_places, surroundings),
  };
}

async function readConfigFile(path: string, surroundings: Surroundings): Promise<JsonObject> {
  let text: string;
  try {
    text = await surroundings.readTextFile(path);
  } catch (cause) {
    throw new GatewayError("config_invalid", `Cannot read the configuration file "${path}"`, { cause });
  }
  let value: unknown;
  try {
    value = parseYaml(text, { uniqueKeys: true, maxAliasCount: 100 }); // JSON is a subset of YAML 1.2
  } catch (cause) {
    throw new GatewayError("config_invalid", `Cannot parse "${path}" as JSON or YAML`, { cause });
  }
  if (value === null || value === undefined) return {};
  if (!isJsonObject(value)) {
    throw new GatewayError("config_invalid", `"${path}" holds no object at its top level`);
  }
  return value;
}

function fromVariables(env: Surroundings["env"], problems: string[]): JsonObject {
  const members: Record<string, string | number> = {};
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith("INTENTGATE_") || variable.startsWith("INTENTGATE_TEST_")) continue;
    if (value === undefined || OTHER_VARIABLES.includes(variable)) continue;
    const name = variable.slice("INTENTGATE_".length).toLowerCase();
    if (!SCALARS.includes(name)) {
      const known = [...OTHER_VARIABLES, ...SCALARS.map((scalar) => `INTENTGATE_${scalar.toUpperCase()}`)];
      problems.push(`variable ${variable} is not known${suggestion(variable, known)}`);
    } else members[name] = /^-?\d+$/.test(value) ? Number(value) : value;
  }
  return members;
}

function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? "" : `; did you mean ${near}?`;
}

/** One line per problem, with the path and, for unknown members, the nearest known one. */
function issueText(issue: z.core.$ZodIssue, value: unknown): string[] {
  const path = issue.path.map(String).join(".");
  const at = path === "" ? "" : `${path}: `;
  if (issue.code === "unrecognized_keys") {
    const known = knownMembers(issue.path);
    return issue.keys.map((key) => `${at}"${key}" is not known${suggestion(key, known)}`);
  }
  const found = issue.path.reduce<unknown>(
    (inner, part) => isJsonObject(inner) || Array.isArray(inner) ? Reflect.get(inner, part) : undefined,
    value,
  );
  const shown = found === undefined ? "nothing" : withoutUserInfo(JSON.stringify(found) ?? "").slice(0, 100);
  return [`${at}${issue.message}, found ${shown}`];
}

/** What stands before the @ of a URL is a credential and not to be repeated. */
function withoutUserInfo(text: string): string {
  return text.replaceAll(/:\/\/[^/?#"]*@/g, "://***@");
}

function knownMembers(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return Object.keys(configSchema.shape);
  if (path[0] === "pipeline") return ["check", "options"];
  if (path[0] === "checkpoint_places") return CHECKPOINT_PLACE_MEMBERS;
  const upstream = Object.keys(configSchema.shape.upstreams.unwrap().valueType.shape);
  return [...upstream, ...[
    "file",
    "oauth",
    "tools",
    "token_url",
    "client_id",
    "client_secret",
    "scope",
    "resource",
  ]];
}

/** Listener, folder and public address belong to one process; everything else must be equal on all replicas. */
function digestOf(config: Config): string {
  const { listen: _listen, admin_listen: _adminListen, data_dir: _dataDir, public_url: _publicUrl, ...same } =
    config;
  return createHash("sha256").update(canonicalJson(same as unknown as JsonObject), "utf8").digest("hex");
}

async function resolveHeaders(config: Config, surroundings: Surroundings) {
  const resolved = new Map<string, Readonly<Record<string, string>>>();
  for (const [name, upstream] of Object.entries(config.upstreams ?? {})) {
    const headers: Record<string, string> = {};
    for (const [header, source] of Object.entries(upstream.headers)) {
      headers[header] = await resolveSource(
        surroundings,
        source,
        `header "${header}" of upstream "${name}"`,
      );
    }
    resolved.set(name, headers);
  }
  return resolved;
}
