/** The published conformance suite against an upstream of the other protocol era than the one it speaks. */
import assert from "node:assert/strict";
import type { ProgramRun } from "./client_programs.ts";
import { startGateway } from "../gateway_process.ts";
import { startLegacyServer } from "./fixtures/legacy_server.ts";
import { startModernServer } from "./fixtures/modern_server.ts";
import { installSuite, summaryOf } from "./suite_runs.ts";
import { startTokenProxy } from "./token_proxy.ts";

const CLIENT_REQUESTS = ["elicitation", "sampling", "roots"];

const isNode22 = `${Deno.build.os} ${Deno.build.arch}` === "linux x86_64";

Deno.test({ name: "the conformance suite passes across the eras", ignore: !isNode22 }, async (t) => {
  const suite = await installSuite();
  const legacy = startLegacyServer();
  const modern = startModernServer();
  try {
    await using gateway = await startGateway({
      config: {
        pipeline: [{ check: "capability" }],
        upstreams: {
          legacy: { url: legacy.url, client_requests: CLIENT_REQUESTS },
          modern: { url: modern.url, client_requests: CLIENT_REQUESTS },
        },
      },
    });
    const { token } = await gateway.mint({
      ...{ tenant: "default", agent: "conformance", ttl_seconds: 3600, upstreams: ["*"], tools: ["*"] },
      ...{ prompts: ["*"], resources: ["test://**"] },
    });
    const proxy = await startTokenProxy(gateway.url, token);
    try {
      await t.step("2025-11-25 at a modern upstream", async () => {
        const ran = await suite.run(`${proxy.url}/mcp/modern`, "2025-11-25");
        assert.equal(ran.code, 0, summaryOf(ran)); // no scenario is excepted in this direction
      });
      await t.step("2026-07-28 at a legacy upstream", async () => {
        const ran = await suite.run(`${proxy.url}/mcp/legacy`, "2026-07-28");
        assert.deepEqual(failedIn(ran), await documented(), summaryOf(ran));
      });
    } finally {
      await proxy.stop();
    }
  } finally {
    await legacy.stop();
    await modern.stop();
  }
});

/** Names of the scored scenarios that failed. */
function failedIn(ran: ProgramRun): string[] {
  const [scored = ""] = summaryOf(ran).split("Not scored for");
  const all = [...scored.matchAll(/^([\u2713\u2717]) ([a-z0-9-]+): /gm)];
  assert.ok(all.length > 30, scored);
  const extensions = [
    ...summaryOf(ran).matchAll(/^ {2}[\u2713\u2717] ([a-z0-9-]+) \((?:extension|pending)/gm),
  ];
  const isScored = (name: string | undefined) => !extensions.some(([, other]) => other === name);
  return all.filter(([, mark, name]) => mark === "\u2717" && isScored(name)).map(([, , name]) => name ?? "");
}

/** Names of the scenarios that docs/reference/mcp.md excepts. */
async function documented(): Promise<string[]> {
  const page = await Deno.readTextFile(new URL("../../docs/reference/mcp.md", import.meta.url));
  const [, part = ""] = /<!-- across-the-eras -->([^]*)<!-- \/across-the-eras -->/.exec(page) ?? [];
  return [...part.matchAll(/^- `([a-z0-9-]+)`/gm)].map(([, name]) => name ?? "");
}
