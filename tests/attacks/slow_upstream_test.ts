/** Threat: an upstream that answers a byte at a time holds calls, connections and places of others. */
import assert from "node:assert/strict";
import { Agent, type Answer, resultOf } from "../agent.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { eventually } from "../integration/gateways.ts";
import { ModernAgent } from "../modern_agent.ts";
import { startCarelessUpstream } from "./careless_upstream.ts";
import { DRIPS, startSlowUpstream } from "./slow_upstream.ts";

const TIMEOUT_MS = 2_000;
const SLACK_MS = 5_000;

/** What came of something within the time, or `"waits"`. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | "waits"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"waits">((resolve) => timer = setTimeout(() => resolve("waits"), ms));
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** A client without a limit of its own; it gives up when the test does. */
function naive(url: string, name: string, signal: AbortSignal): Promise<string> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name } });
  return fetch(url, { method: "POST", body, signal }).then((answer) => answer.text()).catch(() => "aborted");
}

async function outcomes(gateway: GatewayProcess): Promise<readonly string[]> {
  const { events } = await (await gateway.api("GET", "/api/v1/audit/events?tenant=default&limit=1000"))
    .json();
  // deno-lint-ignore no-explicit-any
  return events.map((row: any) => row.event).filter((event: any) =>
    event.metadata.event_code === "call.ended"
  )
    // deno-lint-ignore no-explicit-any
    .map((event: any) => `${event.unmapped.outcome} ${event.status_code}`);
}

Deno.test("an upstream that answers a byte at a time holds a call no longer than its time, and others not at all", async (t) => {
  const slow = startSlowUpstream();
  const quick = startCarelessUpstream({ read: undefined });
  const times = { timeout_ms: TIMEOUT_MS };
  await using gateway = await startGateway({
    config: {
      upstreams: {
        slow: { url: `${slow.url}/mcp`, ...times },
        narrow: { url: `${slow.url}/mcp`, ...times, max_concurrent: 4 },
        quick: { url: quick.url },
      },
    },
  });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const modern = (upstream: string) => new ModernAgent(`${gateway.url}/mcp/${upstream}`, token);
  const agents: Readonly<Record<string, Agent | ModernAgent>> = {
    legacy: await Agent.connect(gateway.url, "slow", token),
    modern: modern("slow"),
  };
  const other = await Agent.connect(gateway.url, "quick", token);
  for (const agent of [...Object.values(agents), other]) {
    const answer: Answer = await agent.call("read");
    assert.equal(resultOf(answer), "ok", answer.text);
  }
  const tools = Object.keys(DRIPS);

  await t.step("every drip would hold a client that simply waits", async () => {
    const giveUp = new AbortController();
    const waiting = tools.map((name) => naive(`${slow.url}/mcp`, name, giveUp.signal));
    const answers = await Promise.all(waiting.map((one) => within(TIMEOUT_MS + SLACK_MS, one)));
    assert.deepEqual(answers, tools.map(() => "waits"));
    giveUp.abort();
    await Promise.all(waiting);
    await eventually(() => slow.writing() === 0, "the end of these connections");
  });
  for (const [era, agent] of Object.entries(agents)) {
    await t.step(`${era}: each call ends at its time, and meanwhile others are served`, async () => {
      const startedMs = performance.now();
      const calls = tools.map(async (name) => {
        const answer = await within(TIMEOUT_MS + SLACK_MS, agent.call(name));
        assert.ok(answer !== "waits", name);
        assert.equal(resultOf(answer), "outcome_unknown", `${name}: ${answer.text}`);
        assert.ok(performance.now() - startedMs > TIMEOUT_MS - 100, `${name}: its time was its own`);
      });
      await eventually(() => slow.writing() === tools.length, "all of them are under way");
      for (let n = 1; n <= 5; n++) {
        const servedMs = performance.now();
        assert.equal(resultOf(await other.call("read", { n })), "ok");
        assert.ok(performance.now() - servedMs < TIMEOUT_MS, "nobody else waits");
      }
      await Promise.all(calls);
      await eventually(() => slow.writing() === 0, "the gateway closes what it gave up");
    });
  }
  await t.step("each of them has one outcome: nobody knows what became of it", async () => {
    const unknown = async () =>
      (await outcomes(gateway)).filter((outcome) => outcome === "unknown timeout").length;
    await eventually(async () => await unknown() === 2 * tools.length, "their outcomes");
  });
  await t.step("who fills the places of the upstream gets no more, and they are given back", async () => {
    const agent = modern("narrow");
    assert.equal(resultOf(await agent.call("read")), "ok");
    const calls = Array.from({ length: 12 }, () => agent.call("comments"));
    await eventually(() => slow.writing() >= 3, "calls under way");
    assert.equal(resultOf(await agent.call("read")), "upstream_busy");
    const ended = (await Promise.all(calls)).map(resultOf);
    assert.ok(ended.filter((code) => code === "outcome_unknown").length <= 4, ended.join());
    assert.ok(ended.every((code) => code === "outcome_unknown" || code === "upstream_busy"), ended.join());
    assert.equal(resultOf(await agent.call("read")), "ok");
  });
  await slow.close();
  await quick.close();
});

Deno.test("an upstream that is slow before any call is as bounded, and its clients are told", async (t) => {
  const slow = startSlowUpstream();
  const at = (path: string) => ({ url: `${slow.url}/${path}`, timeout_ms: TIMEOUT_MS });
  await using gateway = await startGateway({
    config: {
      decision_timeout_ms: TIMEOUT_MS,
      upstreams: {
        listing: at("tools/list"),
        beginning: at("initialize"),
        discovering: at("server/discover"),
      },
    },
  });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const timed = async (what: string, asking: () => Promise<Answer>): Promise<Answer> => {
    // Where the upstream itself did not say what it speaks, a link is tried.
    const answer = await within(5 * TIMEOUT_MS + SLACK_MS, asking());
    if (answer === "waits") assert.fail(`${what} waits`);
    return answer;
  };
  await t.step("its tools cannot be read: the call is refused at its deadline", async () => {
    const agent = await Agent.connect(gateway.url, "listing", token);
    assert.equal(resultOf(await timed("the call", () => agent.call("read"))), "upstream_unavailable");
    assert.match((await timed("the list", () => agent.request("tools/list"))).text, /"error"/);
  });
  await t.step("a session does not begin", async () => {
    const agent = new Agent(`${gateway.url}/mcp/beginning`, token);
    const params = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "a", version: "0" },
    };
    const answer = await timed("initialize", () => agent.request("initialize", params));
    assert.equal(resultOf(answer), "outcome_unknown", answer.text);
  });
  await t.step("the gateway closes what it gave up", async () => {
    await eventually(() => slow.writing() === 0, "the end of these connections", 15_000);
  });
  await t.step("what era it speaks does not become known", async () => {
    const agent = new ModernAgent(`${gateway.url}/mcp/discovering`, token);
    const answer = await timed("the call", () => agent.call("read"));
    assert.ok(answer.message.error !== undefined, answer.text);
  });
  await slow.close();
});
