import assert from "node:assert/strict";
import { createCredentialSource, type UpstreamCredentials } from "./credentials.ts";
import { OauthClient, type OauthClientSettings } from "./oauth_client.ts";

interface Asked {
  readonly authorization: string | null;
  readonly form: Record<string, string>;
}

/** An authorization server that answers as it is told. */
function serve(answer: (count: number) => Response | Promise<Response>) {
  const asked: Asked[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const form = Object.fromEntries(new URLSearchParams(await request.text()));
    asked.push({ authorization: request.headers.get("authorization"), form });
    return await answer(asked.length);
  });
  const settings: OauthClientSettings = {
    ...{
      tokenUrl: `http://127.0.0.1:${server.addr.port}/token`,
      clientId: "gate way",
      clientSecret: "s:e+c%ret",
    },
    clientAuth: "basic",
  };
  return { asked, settings, stop: () => server.shutdown() };
}

const token = (access_token: string, expires_in?: number) =>
  Response.json({ access_token, token_type: "Bearer", ...(expires_in === undefined ? {} : { expires_in }) });

Deno.test("OauthClient asks once for all who wait, and again shortly before the token expires", async () => {
  const server = serve((count) => token(`t${count}`, 100));
  let nowMs = 0;
  const client = new OauthClient(
    { ...server.settings, scope: "a b", resource: "https://erp.example/mcp" },
    () => nowMs,
  );
  assert.deepEqual(await Promise.all([client.token(), client.token(), client.token()]), ["t1", "t1", "t1"]);
  nowMs = 89_000;
  assert.equal(await client.token(), "t1");
  nowMs = 91_000;
  assert.equal(await client.token(), "t2");
  client.forget();
  assert.equal(await client.token(), "t3");
  assert.deepEqual(server.asked[0], {
    authorization: `Basic ${btoa("gate+way:s%3Ae%2Bc%25ret")}`,
    form: { grant_type: "client_credentials", scope: "a b", resource: "https://erp.example/mcp" },
  });
  await server.stop();
});

Deno.test("OauthClient can send id and secret in the form", async () => {
  const server = serve(() => token("t"));
  await new OauthClient({ ...server.settings, clientAuth: "post" }, () => 0).token();
  assert.deepEqual(server.asked, [{
    authorization: null,
    form: { grant_type: "client_credentials", client_id: "gate way", client_secret: "s:e+c%ret" },
  }]);
  await server.stop();
});

Deno.test("OauthClient says what went wrong, never the secret, and leaves the server alone for a second", async () => {
  const answers: readonly (readonly [() => Response, RegExp])[] = [
    [() => Response.json({ error: "invalid_client" }, { status: 401 }), /HTTP 401, invalid_client$/],
    [() => Response.json({ error: "s:e+c%ret\n" }, { status: 400 }), /HTTP 400$/],
    [() => new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/" } }), /HTTP 302$/],
    [() => Response.json({ access_token: "x", token_type: "mac" }), /not a bearer token$/],
    [() => Response.json({ access_token: "a b", token_type: "bearer" }), /no usable access_token$/],
    [() => new Response("<html>"), /not a bearer token$/],
    [() => new Response("x".repeat(100_000)), /not a bearer token$/],
  ];
  for (const [answer, expected] of answers) {
    const server = serve(answer);
    let nowMs = 0;
    const client = new OauthClient(server.settings, () => nowMs);
    for (let tries = 0; tries < 3; tries++) {
      await assert.rejects(client.token(), (error: Error) => {
        assert.match(error.message, expected);
        assert.match(error.message, /^Cannot get a token from "http:\/\/127\.0\.0\.1:\d+\/token": /);
        assert.ok(!error.message.includes("s:e+c"));
        return true;
      });
    }
    assert.equal(server.asked.length, 1);
    nowMs = 1_001;
    await assert.rejects(client.token());
    assert.equal(server.asked.length, 2);
    await server.stop();
  }
});

Deno.test("createCredentialSource() gives the most particular credential, header by header", async () => {
  const server = serve(() => token("oauth"));
  const of = (headers: Record<string, string>, oauth?: OauthClientSettings) => ({
    headers,
    ...(oauth === undefined ? {} : { oauth }),
  });
  const credentials: UpstreamCredentials = {
    own: of({ Authorization: "upstream", "X-Kind": "base" }),
    tools: new Map([["pay", of({ authorization: "tool" })]]),
    tenants: new Map([
      ["acme", {
        own: of({}, server.settings),
        tools: new Map([["pay", of({ authorization: "tenant's tool" })]]),
      }],
    ]),
  };
  const source = createCredentialSource(credentials, () => 0);
  const expected: readonly (readonly [string, string | undefined, string])[] = [
    ["other", undefined, "upstream"],
    ["other", "read", "upstream"],
    ["other", "pay", "tool"],
    ["acme", "read", "Bearer oauth"],
    ["acme", "pay", "tenant's tool"],
  ];
  for (const [tenant, tool, authorization] of expected) {
    const headers = await source.headers(tenant, tool === undefined ? {} : { tool });
    assert.deepEqual(headers, { authorization, "x-kind": "base" }, `${tenant} ${tool}`);
  }
  assert.equal(server.asked.length, 1);
  source.refused("acme", {});
  await source.headers("acme", {});
  assert.equal(server.asked.length, 2);
  await server.stop();
});
