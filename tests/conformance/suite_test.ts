/** The published conformance suite, through the real gateway, against servers of this folder. */
import assert from "node:assert/strict";
import { startGateway } from "../gateway_process.ts";
import { startLegacyServer } from "./fixtures/legacy_server.ts";
import { startModernServer } from "./fixtures/modern_server.ts";
import { installSuite, summaryOf } from "./suite_runs.ts";
import { startTokenProxy } from "./token_proxy.ts";

const CLIENT_REQUESTS = ["elicitation", "sampling", "roots"];

const isNode22 = `${Deno.build.os} ${Deno.build.arch}` === "linux x86_64";

Deno.test({ name: "the conformance suite passes through the gateway", ignore: !isNode22 }, async (t) => {
  const suite = await installSuite();
  const legacy = startLegacyServer();
  const modern = startModernServer();
  try {
    await using gateway = await startGateway({
      config: {
        upstreams: {
          legacy: { url: legacy.url, client_requests: CLIENT_REQUESTS },
          modern: { url: modern.url, client_requests: CLIENT_REQUESTS },
        },
      },
    });
    const { token } = await gateway.mint({
      ...{ tenant: "default", agent: "conformance", ttl_seconds: 3600, upstreams: ["*"] },
      // Spelled out, because the default policy asks a person about tools that only a pattern covers.
      tools: await toolNames(legacy.url, modern.url),
      ...{ prompts: ["*"], resources: ["test://**"] },
    });
    const proxy = await startTokenProxy(gateway.url, token);
    try {
      await t.step("2025-11-25", async () => {
        const ran = await suite.run(`${proxy.url}/mcp/legacy`, "2025-11-25");
        assert.equal(ran.code, 0, summaryOf(ran));
      });
      await t.step("2026-07-28", async () => {
        const ran = await suite.run(`${proxy.url}/mcp/modern`, "2026-07-28");
        assert.equal(ran.code, 0, summaryOf(ran));
        // Not scored, but nothing to be without.
        for (const name of ["http-header-validation", "http-custom-header-server-validation"]) {
          assert.match(summaryOf(ran), new RegExp(`\u2713 ${name}: \\d+ passed, 0 failed`));
        }
      });
      await t.step("the stable release agrees", async () => {
        const ran = await suite.runStable(`${proxy.url}/mcp/legacy`);
        assert.equal(ran.code, 0, summaryOf(ran));
      });
    } finally {
      await proxy.stop();
    }
  } finally {
    await legacy.stop();
    await modern.stop();
  }
});

/** The tools of both servers, asked without the gateway. */
async function toolNames(legacyUrl: string, modernUrl: string): Promise<string[]> {
  const ask = async (url: string, body: unknown, session?: string) => {
    const response = await fetch(url, {
      method: "POST",
      headers: session === undefined ? {} : { "mcp-session-id": session },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { text, session: response.headers.get("mcp-session-id") ?? undefined };
  };
  const list = { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} };
  const { session } = await ask(legacyUrl, { ...list, method: "initialize" });
  const texts = [(await ask(legacyUrl, list, session)).text, (await ask(modernUrl, list)).text];
  const names = texts.flatMap((text) => [...text.matchAll(/"name":"((?:test_|json_)[a-z0-9_]+)"/g)]);
  return [...new Set(names.map(([, name]) => name ?? ""))];
}
