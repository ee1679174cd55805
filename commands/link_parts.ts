/** The links to upstreams of this replica: joins the pool with the configuration, its secrets and the log. */
import type { UpstreamConfig } from "../core/config.ts";
import { transportOf } from "../core/upstream_transport.ts";
import { createCredentialSource, type CredentialSource } from "../mcp/links/credentials.ts";
import type { HttpLinkOptions } from "../mcp/links/http_exchanges.ts";
import { type LinkKey, LinkPool } from "../mcp/links/link_pool.ts";
import { openHttpLink } from "../mcp/links/open_link.ts";
import { openSseLink } from "../mcp/links/sse_link.ts";
import { openStdioLink } from "../mcp/links/stdio_link.ts";
import { type ExchangeClock, UpstreamFailure } from "../mcp/upstream_connection.ts";
import type { ProtocolEra, UpstreamLink } from "../mcp/upstream_link.ts";
import type { Log } from "../telemetry/log.ts";
import type { UpstreamSecrets } from "./upstream_secrets.ts";

export interface LinkPartsOptions {
  readonly upstreams: ReadonlyMap<string, UpstreamConfig>;
  /** Upstreams that are missing here have no secrets, like the demo server. */
  readonly secrets: ReadonlyMap<string, UpstreamSecrets>;
  readonly clock: ExchangeClock;
  readonly log: Log;
}

/** A secret shorter than this cannot be told from ordinary text. */
const MIN_MASKED = 6;
const MASK = "***";
/** How a line that was cut ends. */
const CUT = "…";

const NO_SECRETS: UpstreamSecrets = {
  credentials: { own: { headers: {} }, tools: new Map(), tenants: new Map() },
  ...{ env: {}, tenantEnv: new Map(), secretValues: [] },
};

/** Builds the pool; opens nothing until a link is wanted. Whether a tenant may use an upstream is decided before. */
export function buildLinkPool(options: LinkPartsOptions): LinkPool {
  const steadyMs = () => performance.now();
  const sources = new Map<string, CredentialSource>();
  for (const name of options.upstreams.keys()) {
    const { credentials } = options.secrets.get(name) ?? NO_SECRETS;
    sources.set(name, createCredentialSource(credentials, steadyMs));
  }
  return new LinkPool({
    steadyMs,
    open: (key, era) => open(options, sources, key, era),
    onLost: ({ upstream, tenant }, code) =>
      options.log("warn", "A link to an upstream was lost", { upstream, tenant, error: code }),
  });
}

async function open(
  options: LinkPartsOptions,
  sources: ReadonlyMap<string, CredentialSource>,
  key: LinkKey,
  found: ProtocolEra | undefined,
): Promise<UpstreamLink> {
  const config = options.upstreams.get(key.upstream);
  if (config === undefined) throw new UpstreamFailure("upstream_failed", "unknown_upstream");
  const era = config.era === "auto" ? found : config.era;
  const transport = transportOf(config);
  if (transport === "stdio") return await openProgram(options, config, key, era);
  const http = httpOptions(options, config, key, sources.get(key.upstream));
  return transport === "sse" ? await openSseLink(http) : await openHttpLink(http, era);
}

function linkOptions(config: UpstreamConfig, key: LinkKey) {
  return {
    upstream: key.upstream,
    maxMessageBytes: config.max_response_bytes,
    isExclusive: key.blockIds !== undefined,
    ...(key.clientCapabilities === undefined ? {} : { clientCapabilities: key.clientCapabilities }),
  };
}

function httpOptions(
  { clock }: LinkPartsOptions,
  config: UpstreamConfig,
  key: LinkKey,
  source: CredentialSource | undefined,
): HttpLinkOptions {
  return {
    ...linkOptions(config, key),
    ...{ url: config.url ?? "", clock },
    credential: async (order) => await source?.headers(key.tenant, order) ?? {},
    onUnauthorized: (order) => source?.refused(key.tenant, order),
  };
}

function openProgram(
  { secrets, log }: LinkPartsOptions,
  config: UpstreamConfig,
  key: LinkKey,
  era: ProtocolEra | undefined,
): Promise<UpstreamLink> {
  const own = secrets.get(key.upstream) ?? NO_SECRETS;
  const about = { upstream: key.upstream, tenant: key.tenant };
  let junk = 0;
  return openStdioLink({
    ...linkOptions(config, key),
    ...(era === undefined ? {} : { era }),
    command: {
      ...{ command: config.command ?? "", args: config.args },
      env: { ...own.env, ...own.tenantEnv.get(key.tenant) },
      ...(config.cwd === undefined ? {} : { cwd: config.cwd }),
    },
    onStderr: (line) =>
      log("info", "A tool server wrote to standard error", {
        ...about,
        line: masked(line, own.secretValues),
      }),
    onJunk: (why) => {
      // 1, 10, 100 …: enough to know, too few to matter.
      if (/^10*$/.test(String(++junk))) {
        log("warn", "A tool server writes lines that are no messages", { ...about, why, lines: junk });
      }
    },
  });
}

/** A server may say what it was started with, whole, line by line, or up to where its own line was cut. */
export function masked(line: string, secrets: readonly string[]): string {
  const parts = secrets.flatMap((secret) => [secret, ...secret.split(/\r\n|\r|\n/)])
    .filter((part) => part.length >= MIN_MASKED)
    // Of two that begin alike the longer first: nothing of it may stay.
    .sort((a, b) => b.length - a.length);
  return parts.reduce((text, part) => text.replaceAll(part, MASK), withoutBegun(line, parts));
}

/** A line that was cut without the beginning of a secret before the cut. */
function withoutBegun(line: string, parts: readonly string[]): string {
  const cut = line.lastIndexOf(CUT);
  if (cut === -1) return line;
  const begun = Math.max(0, ...parts.map((part) => overlap(line.slice(0, cut), part)));
  return begun === 0 ? line : `${line.slice(0, cut - begun)}${MASK}${line.slice(cut)}`;
}

/** How many of the last characters of `text` are the first of `part`. */
function overlap(text: string, part: string): number {
  let length = Math.min(text.length, part.length - 1);
  while (length > 0 && !text.endsWith(part.slice(0, length))) length--;
  return length;
}
