/** Clients that nobody of us wrote list and call tools through the real gateway, and understand its refusals. */
import assert from "node:assert/strict";
import { startAcme } from "../../demo/acme_server.ts";
import { freePort, type GatewayProcess, startGateway } from "../gateway_process.ts";
import {
  type ClientOrder,
  type ClientReport,
  type ClientRun,
  installNodePackages,
  installPythonPackages,
  reportOf,
  runNodeClient,
  runPythonClient,
  startEverything,
} from "./client_programs.ts";

interface ClientUnderTest {
  readonly name: string;
  /** The protocol version it must end up with; absent where the client does not tell. */
  readonly protocol?: string;
  /** Whether it takes the modern era where the upstream speaks it. */
  readonly isModern?: boolean;
  readonly ignore?: boolean;
  run(order: ClientOrder): Promise<ClientRun>;
}

interface UpstreamUnderTest {
  readonly name: string;
  readonly tools: readonly string[];
  readonly allowed: ClientOrder["allowed"];
  readonly refused: ClientOrder["refused"];
  readonly answers: RegExp;
  /** Whether it speaks the modern era too. */
  readonly isModern?: boolean;
}

const UPSTREAMS: readonly UpstreamUnderTest[] = [
  {
    name: "acme",
    isModern: true,
    tools: ["list_invoices", "read_invoice"],
    allowed: { name: "read_invoice", arguments: { invoice_id: "INV-1001" } },
    refused: { name: "pay_invoice", arguments: { invoice_id: "INV-1001", amount_cents: 12_500 } },
    answers: /"amount_cents":12500.*"status":"open"/,
  },
  {
    name: "everything",
    tools: ["echo"],
    allowed: { name: "echo", arguments: { message: "through the gateway" } },
    refused: { name: "get-sum", arguments: { a: 1, b: 2 } },
    answers: /Echo: through the gateway/,
  },
];

const PYTHON_OFF = Deno.env.get("INTENTGATE_TEST_PYTHON") === "off";

function clients(packages: string): readonly ClientUnderTest[] {
  const sdk2 = (mode: string): ClientUnderTest => ({
    name: `@modelcontextprotocol/client 2.x (${mode})`,
    protocol: "2025-11-25",
    isModern: mode === "auto",
    run: (order) => runNodeClient(packages, "sdk2.mjs", { ...order, mode }),
  });
  return [
    {
      name: "@modelcontextprotocol/sdk 1.x",
      protocol: "2025-11-25",
      run: (order) => runNodeClient(packages, "sdk1.mjs", order),
    },
    sdk2("default"),
    sdk2("auto"),
    {
      name: "PyPI fastmcp",
      ignore: PYTHON_OFF,
      run: async (order) => await runPythonClient(await installPythonPackages(), order),
    },
  ];
}

async function orderFor(gateway: GatewayProcess, upstream: UpstreamUnderTest): Promise<ClientOrder> {
  const { token } = await gateway.mint({
    tenant: "default",
    agent: "conformance",
    ttl_seconds: 600,
    upstreams: [upstream.name],
    tools: upstream.tools,
  });
  return {
    url: `${gateway.url}/mcp/${upstream.name}`,
    token,
    allowed: upstream.allowed,
    refused: upstream.refused,
  };
}

function assertReport(report: ClientReport, client: ClientUnderTest, upstream: UpstreamUnderTest): void {
  assert.deepEqual([...report.tools].sort(), upstream.tools, "tools/list is filtered by the token");
  assert.equal(report.answer.isError, false);
  assert.match(report.answer.content[0]?.text ?? "", upstream.answers);
  assert.equal(report.refusal.code, -31010, JSON.stringify(report.refusal));
  assert.equal(report.refusal.data?.check, "capability");
  assert.equal(report.refusal.data?.code, "not_available");
  assert.equal(typeof report.refusal.data?.decision_id, "string");
  const isModern = client.isModern === true && upstream.isModern === true;
  const protocol = isModern ? "2026-07-28" : client.protocol;
  if (protocol !== undefined) assert.equal(report.protocol, protocol);
}

Deno.test("clients of others list, call and are refused through the gateway", async (t) => {
  const packages = await installNodePackages();
  const acme = startAcme({ hostname: "127.0.0.1", port: 0 });
  const everything = await startEverything(packages, freePort());
  try {
    const upstreams = { acme: { url: acme.url }, everything: { url: everything.url } };
    await using gateway = await startGateway({ config: { upstreams } });
    for (const upstream of UPSTREAMS) {
      const order = await orderFor(gateway, upstream);
      for (const client of clients(packages)) {
        await t.step({
          name: `${client.name} against ${upstream.name}`,
          ignore: client.ignore ?? false,
          fn: async () => assertReport(reportOf(await client.run(order)), client, upstream),
        });
      }
    }
    await t.step("the refused payment never reached acme", async () => {
      const order = { ...await orderFor(gateway, UPSTREAMS[0]!), url: acme.url };
      const report = reportOf(
        await runNodeClient(packages, "sdk1.mjs", { ...order, refused: order.allowed }),
      );
      assert.match(report.answer.content[0]?.text ?? "", /"status":"open"/);
    });
    await t.step("a client with a token that is none is refused with 401", async () => {
      const order = { ...await orderFor(gateway, UPSTREAMS[0]!), token: "ig1.none.none" };
      const ran = await runNodeClient(packages, "sdk1.mjs", order);
      assert.notEqual(ran.code, 0);
      assert.match(ran.stderr, /401|[Uu]nauthorized|invalid_token/);
    });
  } finally {
    await everything.stop();
    await acme.stop();
  }
});
