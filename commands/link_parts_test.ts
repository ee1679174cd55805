import assert from "node:assert/strict";
import { loadConfiguration } from "./configuration.ts";
import { buildLinkPool, masked } from "./link_parts.ts";

/** A shell stands for a server; it says what it was started with. */
const SERVER = `
  echo "token is $TOKEN, kind is $KIND" >&2
  echo junk
  read line; echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'
  read line; echo '{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"'$KIND'","version":"1"}}}'
  cat >/dev/null`;

async function poolOf(upstreams: unknown, env: Readonly<Record<string, string>>) {
  const surroundings = { env: { ...env, INTENTGATE_CONFIG: "c.json" } };
  const text = JSON.stringify({ upstreams });
  const { config, upstreamSecrets } = await loadConfiguration({
    ...{ ...surroundings, readTextFile: () => Promise.resolve(text) },
  });
  const lines: { message: string; members: Readonly<Record<string, unknown>> }[] = [];
  const pool = buildLinkPool({
    upstreams: new Map(Object.entries(config.upstreams ?? {})),
    secrets: upstreamSecrets,
    clock: { nowMs: () => Date.now() },
    log: (_level, message, members = {}) => void lines.push({ message, members }),
  });
  return { pool, lines };
}

Deno.test("buildLinkPool() starts one program per tenant with the tenant's environment, and logs no secret", async () => {
  const { pool, lines } = await poolOf({
    sh: {
      command: "sh",
      args: ["-c", SERVER],
      env: { TOKEN: { env: "SH_TOKEN" }, KIND: "general" },
      credentials: { tenants: { acme: { env: { KIND: "acme-own", TOKEN: { env: "ACME_TOKEN" } } } } },
    },
  }, { SH_TOKEN: "general-secret", ACME_TOKEN: "acme-secret" });
  for (const [tenant, name] of [["acme", "acme-own"], ["other", "general"]] as const) {
    await pool.use({ upstream: "sh", tenant }, (link) => {
      assert.equal(link.info.serverInfo.name, name);
      return Promise.resolve();
    });
  }
  assert.equal(pool.size, 2);
  await assert.rejects(pool.lease({ upstream: "none", tenant: "acme" }), { code: "unknown_upstream" });
  await pool.close();
  const said = lines.filter(({ message }) => message === "A tool server wrote to standard error");
  assert.deepEqual(said.map(({ members }) => members.line).sort(), [
    "token is ***, kind is acme-own",
    "token is ***, kind is general",
  ]);
  assert.ok(lines.some(({ message }) => message === "A tool server writes lines that are no messages"));
  assert.ok(!JSON.stringify(lines).includes("secret"));
});

Deno.test("buildLinkPool() sends each tenant's and tool's credential to an HTTP upstream", async () => {
  const seen: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { id, method } = await request.json();
    seen.push(`${method} ${request.headers.get("authorization")}`);
    const result = { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities: {}, tools: [] };
    return Response.json({ jsonrpc: "2.0", id, result });
  });
  const { pool } = await poolOf({
    erp: {
      url: `http://127.0.0.1:${server.addr.port}/mcp`,
      headers: { authorization: { env: "BASE" } },
      credentials: {
        tools: { pay: { headers: { authorization: { env: "PAY" } } } },
        tenants: { acme: { headers: { authorization: { env: "ACME" } } } },
      },
    },
  }, { BASE: "base", PAY: "pay", ACME: "acme" });
  const client = { capabilities: {}, traceHeaders: {} };
  for (const tenant of ["acme", "other"]) {
    await pool.use({ upstream: "erp", tenant }, (link) =>
      link.request({
        ...{ method: "tools/call", params: { name: "pay" }, client, timeoutMs: 5_000 },
        signal: new AbortController().signal,
      }));
  }
  assert.deepEqual(seen, [
    "server/discover acme",
    "tools/call acme",
    "server/discover base",
    "tools/call pay",
  ]);
  await pool.close();
  await server.shutdown();
});

Deno.test("loadConfiguration() suggests the nearest member of an upstream, and names what a secret is for", async () => {
  const url = "https://erp.example/mcp";
  await assert.rejects(
    poolOf({ erp: { url, credental: {} } }, {}),
    /"credental" is not known; did you mean credentials\?/,
  );
  const oauth = {
    token_url: "https://as.example/token",
    client_id: "gate",
    client_secret: { env: "MISSING" },
  };
  await assert.rejects(
    poolOf({ erp: { url, credentials: { oauth } } }, {}),
    /Variable MISSING, wanted for the client secret of upstream "erp", is not set/,
  );
});

Deno.test("masked() leaves nothing of a secret, also where a line was cut, and of a key of several lines", () => {
  const secrets = [
    "secret-1",
    "secret-1-and-more",
    "-----BEGIN KEY-----\nMIIBVgIBADAN\n-----END KEY-----",
    "tiny",
  ];
  const cases: Record<string, string> = {
    "it is secret-1-and-more, secret-1": "it is ***, ***",
    "MIIBVgIBADAN": "***",
    "begins with secret-1-an…": "begins with ***…",
    "begins with sec… (3 lines left out before)": "begins with ***… (3 lines left out before)",
    "ends as it is": "ends as it is",
    "a tiny one": "a tiny one",
  };
  for (const [line, shown] of Object.entries(cases)) assert.equal(masked(line, secrets), shown);
});
