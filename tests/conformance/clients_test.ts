/**
 * Clients that nobody of us wrote list, call, are refused and give up calls through the real gateway: each era of a client
 * with each era of a server.
 */
import assert from "node:assert/strict";
import { startAcme } from "../../demo/acme_server.ts";
import { freePort, type GatewayProcess, startGateway } from "../gateway_process.ts";
import { ModernAgent } from "../modern_agent.ts";
import {
  type ClientOrder,
  type ClientReport,
  installNodePackages,
  installPythonClients,
  type ProgramRun,
  reportOf,
  runNodeClient,
  runPythonClient,
  startEverything,
} from "./client_programs.ts";
import { clientsUnderTest, type ClientUnderTest, isPython } from "./clients_under_test.ts";
import { type Fixture, startLegacyServer } from "./fixtures/legacy_server.ts";
import { startModernServer } from "./fixtures/modern_server.ts";
import { type GivenUpCalls, hasMark, watchGivenUpCalls } from "./given_up_calls.ts";
import { installNode22 } from "./suite_runs.ts";

interface UpstreamUnderTest {
  readonly name: string;
  readonly tools: readonly string[];
  readonly order: Pick<ClientOrder, "allowed" | "refused" | "hidden">;
  readonly answers: RegExp;
  /** The only era of the server at which the call is given up. */
  readonly era: keyof Upstreams;
}

const UPSTREAMS: readonly UpstreamUnderTest[] = [
  {
    name: "acme",
    era: "modern",
    tools: ["list_invoices", "read_invoice"],
    order: {
      allowed: { name: "read_invoice", arguments: { invoice_id: "INV-1001" } },
      refused: { name: "read_invoice", arguments: { invoice_id: "INV-1002" } },
      hidden: { name: "pay_invoice", arguments: { invoice_id: "INV-1001", amount_cents: 12_500 } },
    },
    answers: /"amount_cents":12500.*"status":"open"/,
  },
  {
    name: "everything",
    era: "legacy",
    tools: ["echo"],
    order: {
      allowed: { name: "echo", arguments: { message: "through the gateway" } },
      refused: { name: "echo", arguments: { message: "more than this token may say" } },
      hidden: { name: "get-sum", arguments: { a: 1, b: 2 } },
    },
    answers: /Echo: through the gateway/,
  },
];

/** What the token allows of the tools that it lists. */
const ARGUMENTS = {
  read_invoice: { type: "object", properties: { invoice_id: { type: "string", enum: ["INV-1001"] } } },
  echo: { type: "object", properties: { message: { type: "string", enum: ["through the gateway"] } } },
  test_wait: { type: "object", properties: { ms: { type: "integer", maximum: 60_000 } } },
};

/** The gateway ends a call there after this, on behalf of clients that do not. */
const HASTY_TIMEOUT_MS = 2_000;
/** Longer than any program may take: what ends a call earlier was the client. */
const PATIENT_TIMEOUT_MS = 180_000;
const PYTHON_OFF = Deno.env.get("INTENTGATE_TEST_PYTHON") === "off";
const RUNS_AT_ONCE = Math.max(2, navigator.hardwareConcurrency);

interface Upstreams {
  readonly legacy: Fixture;
  readonly modern: Fixture;
}

Deno.test("clients of others list, call, are refused and cancel through the gateway", async (t) => {
  const [run, packages] = [await clientRunner(), await installNodePackages()];
  const acme = startAcme({ hostname: "127.0.0.1", port: 0 });
  const everything = await startEverything(packages, freePort());
  const upstreams: Upstreams = { legacy: startLegacyServer(), modern: startModernServer() };
  const watch = watchGivenUpCalls([upstreams.legacy, upstreams.modern]);
  try {
    await using gateway = await startGateway({
      config: {
        upstreams: {
          acme: { url: acme.url },
          everything: { url: everything.url },
          legacy: { url: upstreams.legacy.url, refusals: "tool_result", timeout_ms: PATIENT_TIMEOUT_MS },
          modern: { url: upstreams.modern.url, refusals: "tool_result", timeout_ms: PATIENT_TIMEOUT_MS },
          hasty_legacy: { url: upstreams.legacy.url, refusals: "tool_result", timeout_ms: HASTY_TIMEOUT_MS },
          hasty_modern: { url: upstreams.modern.url, refusals: "tool_result", timeout_ms: HASTY_TIMEOUT_MS },
        },
      },
    });
    const token = await mintToken(gateway);
    const trials = (await clientsUnderTest()).flatMap((client) =>
      UPSTREAMS.map((upstream) => trialOf(client, upstream))
    );
    const runs = startRuns(trials, (trial) => run(trial.client, orderFor(gateway, token, watch, trial)));
    for (const trial of trials) {
      await t.step({
        name: trial.name,
        ignore: PYTHON_OFF && isPython(trial.client),
        fn: async () => assertReport(reportOf(await runs.get(trial)!()), trial, upstreams),
      });
    }
    await t.step("the hidden payment never reached acme", async () => {
      const { allowed } = UPSTREAMS[0]!.order;
      const agent = new ModernAgent(`${gateway.url}/mcp/acme`, token);
      assert.match((await agent.call(allowed.name, { invoice_id: "INV-1001" })).text, /open/);
    });
    await t.step("a client with a token that is none is refused with 401", async () => {
      const trial = trials[0]!;
      const ran = await run(trial.client, orderFor(gateway, "ig1.none.none", watch, trial));
      assert.notEqual(ran.code, 0);
      assert.match(ran.stderr, /401|[Uu]nauthorized|invalid_token/);
    });
  } finally {
    await watch.stop();
    await upstreams.legacy.stop();
    await upstreams.modern.stop();
    await everything.stop();
    await acme.stop();
  }
});

type RunClient = (client: ClientUnderTest, order: ClientOrder) => Promise<ProgramRun>;

async function clientRunner(): Promise<RunClient> {
  const [packages, python, nodeFolder] = await Promise.all([
    installNodePackages(),
    PYTHON_OFF ? undefined : installPythonClients(),
    installNode22(),
  ]);
  return (client, order) => {
    if (!isPython(client)) return runNodeClient({ packages, nodeFolder }, client.program, order);
    const isLangchain = client.library.startsWith("langchain");
    return runPythonClient((isLangchain ? python?.langchain : python?.others) ?? "", client.program, order);
  };
}

/** One client at one upstream. */
interface Trial {
  readonly name: string;
  readonly client: ClientUnderTest;
  readonly upstream: UpstreamUnderTest;
  /** Who ends the call that the client gives up. */
  readonly endedBy: "client" | "gateway";
}

function trialOf(client: ClientUnderTest, upstream: UpstreamUnderTest): Trial {
  const endedBy = client.isModern || client.cancelsInSession ? "client" : "gateway";
  const mode = client.mode === undefined ? "" : ` (${client.mode})`;
  const name = `${client.library} ${client.version}${mode} at ${upstream.name}` +
    (endedBy === "client"
      ? ""
      : ", which does not cancel in a session: the gateway's time for the call does");
  return { name, client, upstream, endedBy };
}

/** Runs the programs, a few at once, in the order in which they are waited for. */
function startRuns(
  trials: readonly Trial[],
  run: (trial: Trial) => Promise<ProgramRun>,
): ReadonlyMap<Trial, () => Promise<ProgramRun>> {
  const waiting = trials.filter(({ client }) => !(PYTHON_OFF && isPython(client)));
  const results = new Map(waiting.map((trial) => [trial, Promise.withResolvers<() => ProgramRun>()]));
  const work = async () => {
    for (let trial = waiting.shift(); trial !== undefined; trial = waiting.shift()) {
      const given = await run(trial).then((ran) => () => ran, (error) => () => {
        throw error;
      });
      results.get(trial)?.resolve(given);
    }
  };
  for (let n = 0; n < RUNS_AT_ONCE; n++) void work();
  return new Map([...results].map(([trial, { promise }]) => [trial, async () => (await promise)()]));
}

async function mintToken(gateway: GatewayProcess): Promise<string> {
  const { token } = await gateway.mint({
    ...{ tenant: "default", agent: "conformance", ttl_seconds: 600, upstreams: ["*"] },
    tools: [...UPSTREAMS.flatMap(({ tools }) => tools), "test_wait"],
    args: ARGUMENTS,
  });
  return token;
}

function orderFor(gateway: GatewayProcess, token: string, watch: GivenUpCalls, trial: Trial): ClientOrder {
  const { client, upstream, endedBy, name } = trial;
  return {
    ...upstream.order,
    ...{ url: `${gateway.url}/mcp/${upstream.name}`, token },
    ...(client.mode === undefined ? {} : { mode: client.mode }),
    waiting: {
      url: `${gateway.url}/mcp/${endedBy === "client" ? "" : "hasty_"}${upstream.era}`,
      ...{ name: "test_wait", arguments: { ms: 30_000, mark: name } },
      refused: { name: "test_wait", arguments: { ms: 1_000_000 } },
      ...{ begunUrl: watch.begunUrl(name), cancelledUrl: watch.cancelledUrl(name) },
    },
  };
}

function assertReport(report: ClientReport, trial: Trial, upstreams: Upstreams): void {
  const { client, upstream } = trial;
  if (report.protocol !== undefined) {
    assert.equal(report.protocol, client.isModern ? "2026-07-28" : "2025-11-25");
  }
  assert.deepEqual([...report.tools].sort(), upstream.tools, "tools/list is filtered by the token");
  assert.match(report.answer.content[0]?.text ?? JSON.stringify(report.answer), upstream.answers);
  assertRefusals(report, client);
  const { error } = report.cancelled;
  assert.ok(
    error !== undefined,
    `expected that the call was given up, got ${JSON.stringify(report.cancelled)}`,
  );
  assert.equal(error.data, undefined, "the gateway did not end the call before the client did");
  const { cancelled: seen } = upstreams[upstream.era];
  assert.ok(hasMark(seen, trial.name), "the upstream was told that the call was given up");
}

function assertRefusals(report: ClientReport, { library, sees }: ClientUnderTest): void {
  const { refusal, absence } = report;
  const told = JSON.stringify(refusal);
  assert.match(
    refusal.error?.message ?? told,
    /The token does not allow the argument at "\/(invoice_id|message)"/,
  );
  if (sees === "code") assert.match(refusal.error?.message ?? "", /-31010/);
  if (sees === "code and data") {
    assert.equal(refusal.error?.code, -31010, told);
    assert.equal(refusal.error?.data?.check, "capability");
    assert.equal(refusal.error?.data?.code, "arguments_refused");
    assert.equal(typeof refusal.error?.data?.decision_id, "string");
  }
  // As a tool result, the code reaches every program, and the model.
  assert.match(JSON.stringify(report.refusedResult), /Refused by capability \(arguments_refused\)/);
  // The Inspector asks for the list first and does not send what is not in it.
  const isSent = library !== "@modelcontextprotocol/inspector";
  assert.equal(
    isSent ? absence.error?.data?.code : absence.error?.code,
    isSent ? "not_available" : "tool_not_found",
  );
}
