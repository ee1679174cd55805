/** The proxy configuration that we hand out does what the guide says, in front of a real gateway. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { freePort, type GatewayProcess, startGateway } from "../gateway_process.ts";
import { eventually } from "../integration/gateways.ts";
import { postHead, sendRaw } from "./raw_http.ts";

const NGINX = Deno.env.get("INTENTGATE_TEST_NGINX") ?? "nginx";

function isInstalled(): boolean {
  try {
    return new Deno.Command(NGINX, { args: ["-v"], stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** The file as it is, with another port, without TLS, and with the addresses of this test. */
async function startNginx(gateway: GatewayProcess) {
  const folder = await Deno.makeTempDir({ prefix: "intentgate_nginx_" });
  const port = freePort();
  const handedOut = await Deno.readTextFile(new URL("../../deploy/proxy/nginx.conf", import.meta.url));
  const changes: readonly (readonly [RegExp, string])[] = [
    [/server 127\.0\.0\.1:8080;/, `server ${new URL(gateway.url).host};`],
    [/listen 443 ssl;/, `listen 127.0.0.1:${port};`],
    [/ssl_certificate .*;\n/, "\n"],
    [/ssl_certificate_key .*;\n/, "\n"],
    [
      /http \{/,
      `http {\n  client_body_temp_path ${folder}/body;\n  proxy_temp_path ${folder}/proxy;\n` +
      `  fastcgi_temp_path ${folder}/fcgi;\n  uwsgi_temp_path ${folder}/uwsgi;\n  scgi_temp_path ${folder}/scgi;`,
    ],
  ];
  const text = changes.reduce((sofar, [from, to]) => {
    assert.match(sofar, from);
    return sofar.replace(from, to);
  }, handedOut);
  await Deno.writeTextFile(
    `${folder}/nginx.conf`,
    `pid ${folder}/pid;\nerror_log ${folder}/error.log;\n${text}`,
  );
  const args = ["-p", folder, "-c", `${folder}/nginx.conf`, "-e", `${folder}/error.log`, "-g", "daemon off;"];
  const child = new Deno.Command(NGINX, { args, stdout: "null", stderr: "null" }).spawn();
  const url = `http://127.0.0.1:${port}`;
  const answers = async () => {
    try {
      return (await (await fetch(`${url}/healthz`)).text()) !== "";
    } catch {
      return false;
    }
  };
  await eventually(answers, "nginx");
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
    await Deno.remove(folder, { recursive: true });
  };
  return { url, stop };
}

Deno.test({
  name:
    "behind the nginx configuration of deploy/proxy, agents are served and slow senders never reach the gateway",
  ignore: !isInstalled(),
  fn: async (t) => {
    const upstream = startEffectServer();
    const gateway = await startGateway({
      config: { upstreams: { effects: { url: upstream.url } }, allowed_hosts: ["127.0.0.1"] },
    });
    const nginx = await startNginx(gateway);
    const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
    const agent = await Agent.connect(nginx.url, "effects", token);
    const slowHead = sendRaw(nginx.url, "POST /mcp/effects HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ", 20_000);
    const slowBody = sendRaw(
      nginx.url,
      `${postHead("/mcp/effects", "Host: 127.0.0.1", "Content-Length: 100")}{`,
      20_000,
    );
    await t.step("calls pass", async () => {
      for (let n = 1; n <= 10; n++) assert.equal(resultOf(await agent.call("count", { n })), "ok");
      assert.equal(upstream.effects.length, 10);
    });
    await t.step("operators' paths are not there", async () => {
      for (const path of ["/readyz", "/metrics", "/api/v1/tenants"]) {
        const answer = await fetch(`${nginx.url}${path}`);
        await answer.body?.cancel();
        assert.equal(answer.status, 404, path);
      }
    });
    await t.step("one address has only so many requests at once", async () => {
      const call = {
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "hang", arguments: { n: 1 } },
      };
      const abort = new AbortController();
      const hang = () => agent.send(call, {}, abort.signal).catch(() => {});
      const hanging = Array.from({ length: 63 }, hang);
      await eventually(() => upstream.effects.length >= 72, "63 calls that hang");
      const more = await Promise.all(Array.from({ length: 5 }, () => fetch(`${nginx.url}/healthz`)));
      for (const answer of more) await answer.body?.cancel();
      assert.ok(more.some((answer) => answer.status === 503), more.map((answer) => answer.status).join());
      abort.abort();
      await Promise.all(hanging);
    });
    await t.step("a slow head and a slow body are cut off and did not reach the gateway", async () => {
      const startedMs = performance.now();
      const answers = await Promise.all([slowHead, slowBody]);
      assert.ok(performance.now() - startedMs < 15_000);
      for (const answer of answers) assert.doesNotMatch(answer, /HTTP\/1\.1 2/);
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      assert.match(metrics, /^intentgate_requests_reading 0$/m);
      assert.match(metrics, /^intentgate_closed_connections_total\{reason="slow_headers"\} 0$/m);
    });
    await nginx.stop();
    await gateway.kill();
    await upstream.close();
  },
});
