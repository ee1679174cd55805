import { type Command, parseOptions } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { checkPipeline } from "./checks_parts.ts";
import { parseListen } from "./listener.ts";
import { parseKeyRing } from "../core/key_ring.ts";

export const check: Command = {
  name: "check",
  summary: "Check the configuration and print what would run, secrets masked",
  usage: [
    "[--json]",
    "",
    "  --json             print JSON",
    "",
    "Touches neither database nor upstreams.",
  ].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, { json: { type: "boolean", default: false } });
    const configuration = await loadConfiguration(terminal);
    const { config } = configuration;
    parseListen(config.listen);
    if (config.admin_listen !== undefined) parseListen(config.admin_listen);
    if (configuration.keyRingText !== undefined) parseKeyRing(configuration.keyRingText);
    await checkPipeline(config);
    const database = configuration.databaseUrl === undefined
      ? "embedded"
      : maskUrl(configuration.databaseUrl);
    const shown = { file: configuration.file ?? null, digest: configuration.digest, database, config };
    terminal.print(values.json ? JSON.stringify(shown) : text(shown));
    return 0;
  },
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
  readonly config: Awaited<ReturnType<typeof loadConfiguration>>["config"];
}): string {
  const { config } = shown;
  const pipeline = config.pipeline.map((stage) => stage.check).join(" → ");
  const upstreams = Object.entries(config.upstreams ?? {}).map(([name, upstream]) => {
    const secret = Object.keys(upstream.headers).map((header) => `${header}: ***`).join(", ");
    return `  ${name.padEnd(16)} ${upstream.url}${secret === "" ? "" : ` (${secret})`}`;
  });
  return [
    `Configuration is valid (digest ${shown.digest.slice(0, 12)})`,
    `  file             ${shown.file ?? "none"}`,
    `  listen           ${config.listen}`,
    ...(config.admin_listen === undefined ? [] : [`  admin listen     ${config.admin_listen}`]),
    `  data folder      ${config.data_dir}`,
    `  database         ${shown.database}`,
    `  pipeline         ${pipeline}`,
    "Upstreams",
    ...(upstreams.length > 0
      ? upstreams
      : ["  acme             the demo server, because none is configured"]),
  ].join("\n");
}
