/** Commands that work on this machine's configuration. What they do is loaded when they run, so that help stays quick. */
import { command } from "./command.ts";

const JSON_OPTION = { kind: "flag", help: "Print one JSON document, for scripts." } as const;

export const serve = command({
  name: "serve",
  summary: "Run the gateway, until it is told to stop",
  details: [
    "Without any configuration it listens on 127.0.0.1:8080, keeps an embedded database and generated keys in " +
    "./.intentgate, and starts a demo tool server named acme: enough to try everything out.",
    "On SIGTERM or Ctrl-C it refuses new calls, lets those in flight end, records how they ended, and exits.",
  ],
  options: { quiet: { kind: "flag", help: "Do not print the welcome text; logs are printed all the same." } },
  examples: [
    { does: "try it out", line: "intentgate serve" },
    {
      does: "in front of your own tool servers",
      line:
        "INTENTGATE_CONFIG=gateway.yaml DATABASE_URL_FILE=/run/secrets/database_url intentgate serve --quiet",
    },
  ],
  reads: "configuration",
  run: async ({ options }, terminal) => {
    const { runGateway } = await import("./serve.ts");
    return await runGateway(terminal, options);
  },
});

export const check = command({
  name: "check",
  summary: "Check the configuration and print what would run, secrets masked",
  details: [
    "Reads what serve would read, loads the checks with their options, and lists everything that is wrong at once. " +
    "Touches neither the database nor the upstreams (tool servers).",
  ],
  options: { json: JSON_OPTION },
  examples: [{ does: "before a deployment", line: "INTENTGATE_CONFIG=gateway.yaml intentgate check" }],
  reads: "configuration",
  run: async ({ options }, terminal) => {
    const { checkConfiguration } = await import("./check.ts");
    return await checkConfiguration(terminal, options);
  },
});

export const migrate = command({
  name: "migrate",
  summary: "Bring the database schema up to date",
  details: [
    "A gateway does this by itself when it starts, also when several start at once. Running it again does nothing.",
  ],
  options: { json: JSON_OPTION },
  examples: [{
    does: "in a step of its own, before new replicas start",
    line: "DATABASE_URL_FILE=/run/secrets/database_url intentgate migrate",
  }],
  reads: "configuration",
  run: async ({ options }, terminal) => {
    const { migrateDatabase } = await import("./migrate.ts");
    return await migrateDatabase(terminal, options);
  },
});
