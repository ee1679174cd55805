/**
 * The client mode of the published conformance suite: its server behind the real gateway, the official TypeScript client
 * before it. What the suite checks of the client, the gateway must have kept.
 */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { freePort, startGateway } from "../gateway_process.ts";
import { installNodePackages, layOutNodeProgram, type ProgramRun } from "./client_programs.ts";
import { type ConformanceSuite, installNode22, installSuite } from "./suite_runs.ts";

interface Scenario {
  readonly name: string;
  /** Absent for what is of no revision. */
  readonly revision?: string;
  /** What the upstream is configured with. */
  readonly config?: JsonObject;
  /** Where the gateway finds whatever server the suite starts. */
  readonly port: number;
  /** Where the gateway finds the server's authorization server. */
  readonly loginPort: number;
}

const [LEGACY, MODERN] = ["2025-11-25", "2026-07-28"];
const SECRET = "SCENARIO_SECRET";

/** What there is but for logins of people: the gateway logs in at upstreams by client credentials only. */
function scenarios(): readonly Scenario[] {
  const at = (name: string, revision?: string, config?: (scenario: Scenario) => JsonObject) => {
    const scenario = { name, port: freePort(), loginPort: freePort() };
    const of = { ...scenario, ...(revision === undefined ? {} : { revision }) };
    return config === undefined ? of : { ...of, config: config(of) };
  };
  return [
    at("initialize", LEGACY),
    ...[LEGACY, MODERN].map((revision) => at("tools_call", revision)),
    at("elicitation-sep1034-client-defaults", LEGACY),
    at("sse-retry", LEGACY),
    at("request-metadata", MODERN),
    at("http-standard-headers", MODERN),
    // It sends null for an argument that is declared as a boolean, which the gateway would refuse.
    at("http-custom-headers", MODERN, () => ({ argument_validation: "report" })),
    at("http-invalid-tool-headers", MODERN),
    at("sep-2322-client-request-state", MODERN),
    at("json-schema-ref-no-deref", MODERN),
    ...[LEGACY, MODERN].map((revision) => at("json-schema-2020-12-preservation", revision)),
    at("auth/client-credentials-basic", undefined, ({ loginPort }) => ({
      credentials: {
        oauth: {
          token_url: `http://127.0.0.1:${loginPort}/token`,
          client_id: "conformance-test-client",
          client_secret: { env: SECRET },
        },
      },
    })),
  ];
}

/** Spelled out, because the default policy asks a person about tools that only a pattern covers. */
const TOOLS: readonly string[] = [
  ...["add_numbers", "test_client_elicitation_defaults", "test_reconnection", "lookup_user"],
  ...["test_headers", "my-hyphenated-tool", "test_custom_headers", "test_custom_headers_null"],
  ...["json_schema_2020_12_tool", "json_schema_echo", "valid_tool", "test-tool"],
  ...["empty_header", "object_header", "array_header", "null_header", "number_header", "duplicate_same_case"]
    .map((word) => `invalid_${word}`),
  ...["duplicate_diff_case", "space_in_name", "colon_in_name", "non_ascii_name", "control_char_name"]
    .map((word) => `invalid_${word}`),
  ...["echo_state", "no_state", "unrelated", "no_result_type"].map((word) => `test_mrtr_${word}`),
];

const RUNS_AT_ONCE = 2;
const isNode22 = `${Deno.build.os} ${Deno.build.arch}` === "linux x86_64";

Deno.test({ name: "the suite's client mode passes through the gateway", ignore: !isNode22 }, async (t) => {
  const suite = await installSuite();
  const node = `${await installNode22()}/node`;
  const folder = await layOutNodeProgram(await installNodePackages(), ["scenario.mjs"]);
  const all = scenarios();
  try {
    await using gateway = await startGateway({
      config: { upstreams: Object.fromEntries(all.map((scenario, n) => [`s${n}`, upstreamOf(scenario)])) },
      env: { [SECRET]: "conformance-test-secret" },
    });
    const { token } = await gateway.mint({
      ...{ tenant: "default", agent: "scenario", ttl_seconds: 3600, upstreams: ["*"], tools: TOOLS },
      ...{ prompts: ["*"], resources: ["file://**", "https://**"] },
    });
    const command = `${node} ${folder}/scenario.mjs`;
    const runs = startedAhead(all, (scenario) => {
      const url = `${gateway.url}/mcp/s${all.indexOf(scenario)}`;
      return runScenario(suite, scenario, { command, token, url });
    });
    for (const scenario of all) {
      const { name, revision } = scenario;
      await t.step({
        name: revision === undefined ? name : `${name}, ${revision}`,
        fn: async () => assertPassed(await runs(scenario)),
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function upstreamOf({ port, config }: Scenario): JsonObject {
  const requests = { client_requests: ["elicitation", "sampling", "roots"] };
  return { url: `http://127.0.0.1:${port}/mcp`, ...requests, ...config };
}

function runScenario(
  suite: ConformanceSuite,
  { name, revision, port, loginPort }: Scenario,
  by: { readonly command: string; readonly token: string; readonly url: string },
): Promise<ProgramRun> {
  const env = {
    SCENARIO_GATEWAY: by.url,
    SCENARIO_TOKEN: by.token,
    SCENARIO_PORT: String(port),
    SCENARIO_LOGIN_PORT: String(loginPort),
  };
  return suite.runClient(name, revision, { command: by.command, env });
}

function assertPassed(ran: ProgramRun): void {
  const text = ran.stdout + ran.stderr;
  assert.equal(ran.code, 0, text.slice(-10_000));
  // A scenario that the suite leaves out ends well, too.
  const [, passed, of] = /Passed: (\d+)\/(\d+), 0 failed, 0 warnings/.exec(text) ?? [];
  assert.ok(Number(passed) > 0 && passed === of, text.slice(-10_000));
}

/** Runs scenarios in their order, the next ones already while one is waited for. */
function startedAhead(
  scenarios: readonly Scenario[],
  start: (scenario: Scenario) => Promise<ProgramRun>,
): (scenario: Scenario) => Promise<ProgramRun> {
  const runs: Promise<ProgramRun>[] = [];
  return async (scenario) => {
    const n = scenarios.indexOf(scenario);
    for (const next of scenarios.slice(runs.length, n + RUNS_AT_ONCE)) {
      const run = start(next);
      run.catch(() => {}); // heard by the one that waits for it
      runs.push(run);
    }
    return await runs[n]!;
  };
}
