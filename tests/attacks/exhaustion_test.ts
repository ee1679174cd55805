/** Threat: a peer without any token, or a hostile upstream, uses up memory, time or connections. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startGateway } from "../gateway_process.ts";
import { type Answering, eventStream, startCarelessUpstream } from "./careless_upstream.ts";
import { postHead, sendRaw } from "./raw_http.ts";

const MAX_BODY_BYTES = 65_536;
/** The gateway's own limit on the time of one body. */
const BODY_TIMEOUT_MS = 30_000;
const SLACK_MS = 2_500;

const endless = (line: string): Answering => () => {
  const chunk = new TextEncoder().encode(line);
  const body = new ReadableStream({ pull: (controller) => controller.enqueue(chunk) });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
};

Deno.test("nobody makes the gateway hold or compute without a bound", async (t) => {
  const upstream = startCarelessUpstream({
    read: undefined,
    one_event: endless("data: evil-".padEnd(65_536, "x")),
    many_events: endless(": nothing\n\n".repeat(5_000)),
    deep: () => eventStream(`data: ${"[".repeat(500_000)}${"]".repeat(500_000)}\n\n`),
  });
  await using gateway = await startGateway({
    config: {
      max_body_bytes: MAX_BODY_BYTES * 64,
      decision_timeout_ms: 2_000,
      upstreams: {
        careless: { url: upstream.url, max_response_bytes: 1_048_576, timeout_ms: 5_000 },
        sluggish: { url: upstream.url },
      },
    },
  });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "careless", token);
  const path = new URL(agent.url).pathname;

  // Started first, because it takes half a minute: a body that never ends, of a declared and of an unknown length.
  const timed = async (url: string, to: string, ...lines: readonly string[]) => {
    const startedMs = performance.now();
    const answer = await sendRaw(
      url,
      `${postHead(to, "Host: 127.0.0.1", ...lines)}`,
      BODY_TIMEOUT_MS + SLACK_MS,
    );
    return { answer, ms: performance.now() - startedMs };
  };
  const slow = Promise.all([
    timed(upstream.url, "/mcp", "Content-Length: 100"),
    timed(gateway.url, path, "Content-Length: 100"),
    timed(gateway.url, path, "Content-Length: 200000"),
    timed(gateway.url, path, "Transfer-Encoding: chunked"),
    timed(gateway.url, path, "Content-Length: 100", `Authorization: Bearer ${token}`),
  ]);

  await t.step("a body that is too long is refused, whether it says so or not", async () => {
    const text = JSON.stringify({
      ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
      params: { name: "read", arguments: { n: 1, padding: "x".repeat(MAX_BODY_BYTES * 64) } },
    });
    await (await fetch(upstream.url, { method: "POST", body: text })).text();
    assert.equal(upstream.effects.length, 1, "a server without a limit takes it");
    upstream.effects.length = 0;
    assert.equal((await agent.send(text)).status, 413);
    const chunked = async (headers: Record<string, string>) => {
      const answer = await fetch(agent.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...headers,
        },
        body: new Blob([text]).stream(),
      });
      await answer.text();
      return answer.status;
    };
    assert.equal(await chunked({ authorization: `Bearer ${token}` }), 413);
    assert.equal(await chunked({}), 401, "a stranger is not even read to the limit");
    assert.deepEqual(upstream.effects, []);
  });
  await t.step("two lengths, or a length and chunks, are no request", async () => {
    for (
      const lines of [["Content-Length: 2", "Content-Length: 10"], [
        "Content-Length: 2",
        "Transfer-Encoding: chunked",
      ]]
    ) {
      const answer = await sendRaw(gateway.url, `${postHead(path, "Host: 127.0.0.1", ...lines)}{}`);
      assert.match(answer, /^HTTP\/1\.1 400 /);
    }
  });
  await t.step("no body costs more time than its length", async () => {
    const zeros = "0".repeat(1_000_000);
    const costly: Readonly<Record<string, { naive: (size: number) => void; body: string }>> = {
      "a long run of zeros in a number": {
        naive: (size) => void `1${"0".repeat(size)}1`.replace(/0+$/, ""),
        body: `{"a":0.1${zeros}1}`,
      },
      "a long run of combining marks in a name": {
        naive: (size) => void `a${"\u0316\u0301".repeat(size)}`.normalize("NFKC"),
        body: `{"a${"\u0316\u0301".repeat(500_000)}":1}`,
      },
    };
    for (const [what, { naive, body }] of Object.entries(costly)) {
      const time = (size: number) => {
        const startedMs = performance.now();
        naive(size);
        return performance.now() - startedMs;
      };
      time(1_000);
      const [small, large] = [time(2_000), time(16_000)];
      assert.ok(large > 16 * small, `${what}: eight times the length took ${small} and ${large} ms`);
      // At that rate the whole body would take more than ten minutes.
      const startedMs = performance.now();
      assert.equal((await new Agent(agent.url, undefined).send(body)).status, 401);
      assert.equal((await agent.send(body)).status, 400);
      assert.ok(performance.now() - startedMs < 5_000, what);
    }
  });
  await t.step("nesting without end is refused", async () => {
    for (const body of ["[".repeat(2_000_000), `{"a":${"[".repeat(500_000)}${"]".repeat(500_000)}}`]) {
      assert.equal((await agent.send(body)).status, 400);
    }
  });
  await t.step("an upstream's answer without end is cut off", async () => {
    for (const tool of ["one_event", "many_events"]) {
      const answer = await agent.call(tool);
      assert.doesNotMatch(answer.text, /evil/);
      assert.equal(resultOf(answer), "upstream_failed", tool);
      assert.ok(answer.text.length < 2_000_000);
    }
    assert.equal(resultOf(await agent.call("deep")), "outcome_unknown");
  });
  await t.step(
    "an upstream that is slow to say what its tools are holds no call beyond its deadline",
    async () => {
      const waiting = await Agent.connect(gateway.url, "sluggish", token);
      upstream.listDelayMs = 4_000;
      const startedMs = performance.now();
      const list = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
      await (await fetch(upstream.url, { method: "POST", body: list })).text();
      assert.ok(performance.now() - startedMs > 3_900, "who simply waits, waits");
      const calledMs = performance.now();
      assert.equal(resultOf(await waiting.call("read", { n: 1 })), "upstream_unavailable");
      assert.ok(performance.now() - calledMs < 3_500);
      upstream.listDelayMs = 0;
    },
  );
  await t.step("a body that does not come is given up, with and without a token", async () => {
    const [careless, ...own] = await slow;
    assert.equal(careless?.answer, "", "a server without a limit still waits");
    assert.ok((careless?.ms ?? 0) > BODY_TIMEOUT_MS + SLACK_MS - 100);
    for (const { answer, ms } of own) {
      assert.match(answer, /^HTTP\/1\.1 408 /);
      assert.ok(ms < BODY_TIMEOUT_MS + SLACK_MS + 500, `${ms} ms`);
    }
  });
  await t.step("and the gateway serves on", async () => {
    upstream.effects.length = 0;
    assert.equal(resultOf(await agent.call("read", { n: 1 })), "ok");
    const memory = await Deno.readTextFile(`/proc/${gateway.pid}/status`);
    const peakKb = Number(/VmHWM:\s+(\d+)/.exec(memory)?.[1]);
    assert.ok(peakKb < 1_500_000, `peak ${peakKb} kB`);
  });
  await upstream.close();
});
