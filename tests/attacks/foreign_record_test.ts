/** Threat: an operator of one tenant reads the record of another, or of the installation. */
import assert from "node:assert/strict";
import { Agent } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";

/** What a request needs besides the chain. */
const GIVEN: Readonly<Record<string, string>> = { seq: "1", from: "1", to: "2", level: "0", index: "000" };
/** Names the chain in a path, in a query. */
const CHAIN_NAMES: readonly string[] = ["tenant", "chain"];

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
}

/** Every route of the API that reads the record of a chain, as a path with its query. */
async function routesOf(gateway: GatewayProcess, chain: string): Promise<readonly string[]> {
  const { paths } = await (await gateway.api("GET", "/api/v1/openapi.json")).json();
  return Object.entries<Record<string, { parameters?: Parameter[] }>>(paths).flatMap(([path, { get }]) => {
    const parameters = get?.parameters ?? [];
    if (!path.startsWith("/audit/") || !parameters.some(({ name }) => CHAIN_NAMES.includes(name))) return [];
    const valueOf = (name: string) => CHAIN_NAMES.includes(name) ? chain : GIVEN[name] ?? assert.fail(name);
    const query = parameters.filter(({ name, in: place, required }) =>
      place === "query" && (required === true || CHAIN_NAMES.includes(name))
    ).map(({ name }) => `${name}=${encodeURIComponent(valueOf(name))}`);
    const full = path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(valueOf(name)));
    return [`/api/v1${full}${query.length === 0 ? "" : `?${query.join("&")}`}`];
  });
}

async function operatorOf(gateway: GatewayProcess, tenant: string): Promise<string> {
  const body = { id: `admin-${tenant}`, role: "admin", tenants: [tenant], ttl_seconds: 600 };
  return (await (await gateway.api("POST", "/api/v1/operators", body)).json()).token;
}

Deno.test("no route of the record gives an operator anything of another tenant or of the installation", async () => {
  const upstream = startEffectServer();
  await using gateway = await startGateway({ config: { upstreams: { effects: { url: upstream.url } } } });
  for (const name of ["acme", "globex"]) await gateway.api("POST", "/api/v1/tenants", { name });
  const { token } = await gateway.mint({ tenant: "acme", agent: "secret-bot", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "effects", token);
  for (let n = 0; n < 3; n++) await agent.call("count", { n });
  const [own, foreign] = [await operatorOf(gateway, "acme"), await operatorOf(gateway, "globex")];
  const ask = async (path: string, operator: string, method: "GET" | "HEAD" = "GET") => {
    const leaving = new AbortController();
    const headers = { authorization: `Bearer ${operator}` };
    const response = await fetch(`${gateway.adminUrl}${path}`, { method, headers, signal: leaving.signal });
    const isEndless = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
    const text = isEndless ? "" : await response.text();
    leaving.abort();
    return { status: response.status, text };
  };
  const routes = await routesOf(gateway, "acme");
  assert.ok(routes.length >= 13, routes.join("\n"));
  let served = 0;
  for (const path of routes) if ((await ask(path, own)).status === 200) served++;
  assert.ok(
    served >= routes.length - 3,
    `${served} of ${routes.length} routes serve the tenant's own operator`,
  );
  for (const chain of ["acme", "~installation", "~unverified"]) {
    for (const path of await routesOf(gateway, chain)) {
      for (const method of ["GET", "HEAD"] as const) {
        const { status, text } = await ask(path, foreign, method);
        const where = `${method} ${path}`;
        assert.ok(status === 404 || status === 403, `${where}: ${status}`);
        assert.ok(!/secret-bot|effects/.test(text), `${where}: ${text}`);
        const unknown = await ask(path.replace(encodeURIComponent(chain), "no-such-tenant"), foreign, method);
        if (chain === "acme") {
          assert.equal(status, unknown.status, `${where}: a tenant that exists looks other`);
        }
      }
    }
  }
  await upstream.close();
});
