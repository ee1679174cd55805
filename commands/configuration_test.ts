import assert from "node:assert/strict";
import { loadConfiguration } from "./configuration.ts";

function load(env: Record<string, string>, files: Record<string, string> = {}) {
  return loadConfiguration({
    env,
    readTextFile: (path) =>
      path in files ? Promise.resolve(files[path] ?? "") : Promise.reject(new Error(`no ${path}`)),
  });
}

async function refusal(env: Record<string, string>, files: Record<string, string> = {}): Promise<string> {
  const error = await load(env, files).then(() => assert.fail("accepted"), (thrown) => thrown);
  assert.equal(error.code, "config_invalid");
  return error.message;
}

Deno.test("loadConfiguration() has safe defaults for everything", async () => {
  const { config, databaseUrl, operatorToken } = await load({ PATH: "/bin" });
  assert.equal(config.listen, "127.0.0.1:8080");
  assert.equal(config.upstreams, undefined);
  assert.deepEqual(config.pipeline.map((stage) => stage.check), ["capability", "policy", "budget"]);
  assert.deepEqual([databaseUrl, operatorToken], [undefined, undefined]);
});

Deno.test("loadConfiguration() reads YAML and JSON, and variables win", async () => {
  const yaml = "listen: 0.0.0.0:1\nupstreams:\n  erp:\n    url: https://erp.example/mcp\n";
  const fromYaml = await load({ INTENTGATE_CONFIG: "c.yaml", INTENTGATE_LISTEN: "127.0.0.1:2" }, {
    "c.yaml": yaml,
  });
  assert.equal(fromYaml.config.listen, "127.0.0.1:2");
  assert.equal(fromYaml.config.upstreams?.erp?.timeout_ms, 60_000);
  const fromJson = await load({ INTENTGATE_CONFIG: "c.json" }, { "c.json": '{"database_timeout_ms": 50}' });
  assert.equal(fromJson.config.database_timeout_ms, 50);
});

Deno.test("loadConfiguration() names an unknown member and the nearest known one", async () => {
  const config = { "c": '{"listn": "x", "upstreams": {"erp": {"url": "http://x/", "timeout": 5}}}' };
  const message = await refusal({ INTENTGATE_CONFIG: "c" }, config);
  assert.match(message, /"listn" is not known; did you mean listen\?/);
  assert.match(message, /upstreams\.erp: "timeout" is not known; did you mean timeout_ms\?/);
  assert.match(
    await refusal({ INTENTGATE_LISTN: "x" }),
    /INTENTGATE_LISTN is not known; did you mean INTENTGATE_LISTEN\?/,
  );
});

Deno.test("loadConfiguration() says what it expected and what came", async () => {
  const message = await refusal({ INTENTGATE_DATABASE_TIMEOUT_MS: "soon", INTENTGATE_MAX_BODY_BYTES: "1" });
  assert.match(message, /database_timeout_ms: .*found "soon"/);
  assert.match(message, /max_body_bytes: .*found 1/);
  for (const name of ["ERP", "a__b", "a_", "", "x".repeat(64)]) {
    const upstreams = JSON.stringify({ upstreams: { [name]: { url: "http://x/" } } });
    await refusal({ INTENTGATE_CONFIG: "c" }, { c: upstreams });
  }
  await refusal({ INTENTGATE_CONFIG: "c" }, { c: '{"upstreams":{"erp":{"url":"ftp://x/"}}}' });
  const secret = await refusal({ INTENTGATE_CONFIG: "c" }, {
    c: '{"upstreams":{"erp":{"url":"http://u:hunter2@x/"}}}',
  });
  assert.match(secret, /put credentials into "headers"/);
  assert.equal(secret.includes("hunter2"), false);
  await refusal({ INTENTGATE_CONFIG: "missing" });
  await refusal({ INTENTGATE_CONFIG: "c" }, { c: "a: [" });
  await refusal({ INTENTGATE_CONFIG: "c" }, { c: "a: 1\na: 2" });
});

Deno.test("loadConfiguration() takes secrets from variables or files, never both, and resolves headers", async () => {
  const files = {
    token: "secret-token\n",
    c: JSON.stringify({
      upstreams: {
        erp: { url: "http://x/", headers: { authorization: { file: "token" }, "x-key": { env: "ERP_KEY" } } },
      },
    }),
  };
  const env = { INTENTGATE_CONFIG: "c", ERP_KEY: "k", INTENTGATE_OPERATOR_TOKEN_FILE: "token" };
  const configuration = await load(env, files);
  assert.equal(configuration.operatorToken, "secret-token");
  assert.deepEqual(configuration.upstreamHeaders.get("erp"), { authorization: "secret-token", "x-key": "k" });
  assert.equal(JSON.stringify(configuration.config).includes("secret-token"), false);
  assert.match(await refusal({ ...env, INTENTGATE_OPERATOR_TOKEN: "x" }, files), /not both/);
  assert.match(await refusal({ INTENTGATE_CONFIG: "c" }, files), /ERP_KEY/);
});

Deno.test("the digest ignores what may differ between replicas and nothing else", async () => {
  const digest = async (env: Record<string, string>) => (await load(env)).digest;
  const base = await digest({});
  assert.equal(await digest({ INTENTGATE_LISTEN: "0.0.0.0:9", INTENTGATE_DATA_DIR: "/x" }), base);
  assert.notEqual(await digest({ INTENTGATE_DECISION_TIMEOUT_MS: "99" }), base);
});
