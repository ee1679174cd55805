/** Threat: a credential, a cookie or a request ends up where it does not belong. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startGateway } from "../gateway_process.ts";
import { resultOf as jsonRpc, startCarelessUpstream } from "./careless_upstream.ts";
import { postHead, sendRaw } from "./raw_http.ts";

const SECRET = "upstream-secret-4711";
/** What an agent, or a proxy in front of it, may send and no upstream may see. */
const PRIVATE: Readonly<Record<string, string>> = {
  cookie: "sid=agent-cookie",
  "proxy-authorization": "Basic agent-proxy",
  "x-api-key": "agent-api-key",
  "x-forwarded-for": "10.1.2.3",
  "x-forwarded-host": "internal.example",
  forwarded: "for=10.1.2.3",
  "x-real-ip": "10.1.2.3",
  "x-original-url": "/admin",
  "x-http-method-override": "DELETE",
  referer: "http://127.0.0.1/secret",
  "user-agent": "agent-agent",
};
/** Every header that an upstream of the gateway may see. */
const ALLOWED = new Set([
  ...[
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "content-length",
    "content-type",
    "host",
  ],
  // The method is named by the gateway itself, out of the body.
  ...["mcp-protocol-version", "mcp-session-id", "mcp-method", "traceparent", "tracestate", "baggage"],
  "user-agent",
]);

Deno.test("credentials stay on their own side, and requests go only where the configuration says", async (t) => {
  const thief = startCarelessUpstream({ read: undefined });
  const leaking = {
    "set-cookie": "sid=upstream-cookie",
    "www-authenticate": 'Bearer resource_metadata="https://evil.example"',
    "x-powered-by": SECRET,
    "access-control-allow-origin": "*",
    "clear-site-data": '"*"',
    server: "upstream-server",
    location: thief.url,
  };
  const redirect = (status: number) => () => new Response(null, { status, headers: leaking });
  const upstream = startCarelessUpstream({
    read: undefined,
    leak: (id) => jsonRpc(id, { content: [] }, leaking),
    deny: () => new Response(null, { status: 401, headers: leaking }),
    ...{
      r301: redirect(301),
      r302: redirect(302),
      r303: redirect(303),
      r307: redirect(307),
      r308: redirect(308),
    },
  });
  await using gateway = await startGateway({
    config: {
      upstreams: { careless: { url: upstream.url, headers: { authorization: { env: "UPSTREAM_AUTH" } } } },
    },
    env: { UPSTREAM_AUTH: `Bearer ${SECRET}` },
  });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "careless", token);
  const body = (name: string) =>
    JSON.stringify({ jsonrpc: "2.0", id: 9, method: "tools/call", params: { name, arguments: { n: 1 } } });

  await t.step("what an agent sends beside its call stays here", async () => {
    const headers = { ...PRIVATE, authorization: `Bearer ${token}`, "mcp-session-id": agent.session ?? "" };
    await (await fetch(upstream.url, { method: "POST", body: body("read"), headers })).text();
    assert.equal(
      upstream.requests.at(-1)?.get("cookie"),
      PRIVATE.cookie,
      "without the gateway all of it arrives",
    );
    const from = upstream.requests.length;
    assert.equal(resultOf(await agent.send(body("read"), PRIVATE)), "ok");
    await agent.list();
    await agent.request("ping");
    await Agent.connect(gateway.url, "careless", token);
    for (const seen of upstream.requests.slice(from)) {
      const text = JSON.stringify([...seen]);
      assert.deepEqual([...seen.keys()].filter((name) => !ALLOWED.has(name)), []);
      assert.equal(seen.get("authorization"), `Bearer ${SECRET}`);
      for (const own of [token, agent.session ?? "", ...Object.values(PRIVATE)]) {
        assert.equal(text.includes(own), false, own);
      }
    }
  });
  await t.step(
    "an agent's header cannot replace the upstream's credential or break out of its line",
    async () => {
      const path = new URL(agent.url).pathname;
      const content = body("read");
      const from = upstream.requests.length;
      const answer = await sendRaw(
        gateway.url,
        postHead(
          path,
          ...["Host: 127.0.0.1", `Authorization: Bearer ${token}`, `Mcp-Session-Id: ${agent.session}`],
          ...["Traceparent: 00-a\rX-Evil: 1", `Content-Length: ${content.length}`, "Connection: close"],
        ) + content,
      );
      for (const seen of upstream.requests.slice(from)) assert.equal(seen.get("x-evil"), null);
      assert.match(answer, /^HTTP\/1\.1 (200|400)/);
      const twice = await sendRaw(
        gateway.url,
        postHead(
          path,
          ...["Host: 127.0.0.1", `Authorization: Bearer ${token}`, "Authorization: Bearer other"],
          ...[`Mcp-Session-Id: ${agent.session}`, `Content-Length: ${content.length}`, "Connection: close"],
        ) + content,
      );
      assert.match(twice, /^HTTP\/1\.1 401/);
    },
  );
  await t.step("what an upstream sends beside its answer stays here", async () => {
    const direct = await fetch(upstream.url, { method: "POST", body: body("leak") });
    await direct.text();
    assert.notEqual(direct.headers.get("set-cookie"), null, "without the gateway all of it arrives");
    for (const tool of ["leak", "deny"]) {
      const answer = await agent.send(body(tool));
      const own = ["content-type", "cache-control", "content-length", "date", "vary"];
      assert.deepEqual([...answer.headers.keys()].filter((name) => !own.includes(name)), [], tool);
      assert.equal((answer.text + JSON.stringify([...answer.headers])).includes(SECRET), false);
    }
  });
  await t.step("no redirect is followed, so nothing reaches another origin", async () => {
    const followed = await fetch(upstream.url, {
      method: "POST",
      body: body("r307"),
      headers: { "x-api-key": SECRET },
    });
    await followed.text();
    assert.equal(thief.requests.at(-1)?.get("x-api-key"), SECRET, "a client that follows hands its key over");
    const before = [thief.requests.length, thief.effects.length];
    for (const tool of ["r301", "r302", "r303", "r307", "r308"]) {
      const answer = await agent.send(body(tool));
      assert.deepEqual([answer.status, resultOf(answer)], [200, "upstream_failed"]);
      assert.equal(answer.headers.get("location"), null);
    }
    assert.deepEqual([thief.requests.length, thief.effects.length], before);
  });
  await t.step("a page that rebinds its name to this address cannot call", async () => {
    const path = new URL(agent.url).pathname;
    const content = body("read");
    const attempt = (url: string, to: string, ...lines: readonly string[]) =>
      sendRaw(
        url,
        postHead(
          to,
          ...[...lines, `Authorization: Bearer ${token}`, `Mcp-Session-Id: ${agent.session}`],
          ...[`Content-Length: ${content.length}`, "Connection: close"],
        ) + content,
      );
    const own = new URL(upstream.url);
    upstream.effects.length = 0;
    assert.match(await attempt(upstream.url, own.pathname, "Host: evil.example"), /^HTTP\/1\.1 200/);
    assert.equal(upstream.effects.length, 1, "a server that does not look is called");
    upstream.effects.length = 0;
    const foreign = [
      ["Host: evil.example"],
      ["Host: evil.example:8080"],
      ["Host: 127.0.0.1.evil.example"],
      ["Host: localhost.evil.example"],
      ["Host: 127.0.0.1@evil.example"],
      ["Host: 127.0.0.1", "Origin: http://evil.example"],
      ["Host: 127.0.0.1", "Origin: http://127.0.0.1.evil.example"],
      ["Host: 127.0.0.1", "Origin: http://evil.example#127.0.0.1"],
      ["Host: 127.0.0.1", "Origin: null"],
      ["Host: 127.0.0.1", "Origin: file://"],
      ["Host: 127.0.0.1", "Origin: "],
    ];
    for (const lines of foreign) {
      assert.match(await attempt(gateway.url, path, ...lines), /^HTTP\/1\.1 40[03] /, lines.join(", "));
    }
    assert.deepEqual(upstream.effects, []);
    assert.match(
      await attempt(gateway.url, path, "Host: localhost:1", "Origin: http://localhost:3000"),
      /^HTTP\/1\.1 200/,
    );
    assert.equal(upstream.effects.length, 1, "the machine's own name is let in");
  });
  await t.step(
    "a page of another site cannot send what needs no preflight, and none is granted",
    async () => {
      upstream.effects.length = 0;
      for (
        const type of [
          "text/plain",
          "application/x-www-form-urlencoded",
          "multipart/form-data; boundary=x",
          "",
        ]
      ) {
        const answer = await agent.send(body("read"), { "content-type": type });
        assert.equal(answer.status, 415, type);
      }
      const preflight = await fetch(agent.url, {
        method: "OPTIONS",
        headers: { "access-control-request-method": "POST" },
      });
      await preflight.text();
      assert.deepEqual([preflight.status, preflight.headers.get("access-control-allow-origin")], [405, null]);
      assert.deepEqual(upstream.effects, []);
    },
  );
  await t.step("no secret was printed", async () => {
    const printed = gateway.stdout + gateway.stderr;
    for (const secret of [SECRET, token, agent.session ?? "", await gateway.operatorToken()]) {
      assert.equal(printed.includes(secret), false);
    }
  });
  await Promise.all([upstream.close(), thief.close()]);
});
