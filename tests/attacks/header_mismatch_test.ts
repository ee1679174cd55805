/** Threat: a router on the way believes the headers, the gateway authorizes the body, and the two say different things. */
import assert from "node:assert/strict";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { Agent, resultOf } from "../agent.ts";
import { startGateway } from "../gateway_process.ts";
import { ModernAgent } from "../modern_agent.ts";
import { startCarelessUpstream } from "./careless_upstream.ts";
import { sendRaw } from "./raw_http.ts";
import { type RoutedUpstream, saidByBody, startRoutedUpstream } from "./routed_upstream.ts";

const META = "io.modelcontextprotocol/";
const VERSION = "2026-07-28";

/** A request and the headers that repeat it, all in agreement. */
interface Subject {
  readonly method: string;
  readonly params: JsonObject;
  readonly headers: Readonly<Record<string, string>>;
}

function subject(method: string, params: JsonObject = {}, more: Record<string, string> = {}): Subject {
  const _meta = { [`${META}protocolVersion`]: VERSION, [`${META}clientCapabilities`]: {} };
  const named = params.name ?? params.uri;
  return {
    ...{ method, params: { ...params, _meta } },
    headers: {
      ...{ "mcp-protocol-version": VERSION, "mcp-method": method },
      ...(typeof named === "string" ? { "mcp-name": named } : {}),
      ...more,
    },
  };
}

const ARGUMENTS = { region: "eu-west", count: 7, dry: true, deep: { place: "lab" } };
const SUBJECTS: readonly Subject[] = [
  subject("tools/call", { name: "read", arguments: ARGUMENTS }, {
    ...{ "mcp-param-region": "eu-west", "mcp-param-count": "7", "mcp-param-dry": "true" },
    "mcp-param-place": "lab",
  }),
  subject("prompts/get", { name: "brief" }),
  subject("resources/read", { uri: "notes://today" }),
  subject("completion/complete", {
    ...{ ref: { type: "ref/prompt", name: "brief" }, argument: { name: "a", value: "b" } },
  }),
  subject("tools/list"),
  subject("prompts/list"),
  subject("resources/list"),
  subject("resources/templates/list"),
  subject("server/discover"),
  subject("subscriptions/listen", { notifications: { toolsListChanged: true } }),
];

const base64 = (text: string) => `=?base64?${new TextEncoder().encode(text).toBase64()}?=`;
const swapped = (text: string) =>
  text.replace(/[a-z]/gi, (letter) => {
    const upper = letter.toUpperCase();
    return letter === upper ? letter.toLowerCase() : upper;
  });

/** By what is wrong: the lines of a header whose right value is given; none leaves it out. */
const BENDS: Readonly<Record<string, (right: string) => readonly string[]>> = {
  "is missing": () => [],
  "is empty": () => [""],
  "says something else": () => ["wipe"],
  "says more": (right) => [`${right}x`],
  "says less": (right) => [right.slice(0, -1)],
  "is in another case": (right) => [swapped(right)],
  "stands twice": (right) => [right, right],
  "stands behind another one": (right) => ["wipe", right],
  "stands before another one": (right) => [right, "wipe"],
  "is a list": (right) => [`${right}, ${right}`],
  "is quoted": (right) => [`"${right}"`],
  "is escaped": (right) => [`%${right.charCodeAt(0).toString(16)}${right.slice(1)}`],
  "has a letter of another alphabet": (right) => [`${right}\u00e9`],
  "is something else in base64": () => [base64("wipe")],
  "is in base64 with a blank": (right) => [base64(right).replace("?base64?", "?base64? ")],
  "is in base64 with too much padding": (right) => [base64(right).replace("?=", "=?=")],
  "is in base64 without an end": (right) => [base64(right).slice(0, -2)],
  "is in BASE64": (right) => [base64(right).replace("base64", "BASE64")],
  "is in base64 behind text": (right) => [`x${base64(right)}`],
  "ends early at U+0000, in base64": (right) => [base64(`${right}\0wipe`)],
  "is in base64 twice": (right) => [base64(base64(right))],
};
/** Texts that some reader takes for the number 7 or for true. */
const LOOSE_VALUES: Readonly<Record<string, readonly string[]>> = {
  "mcp-param-count": ["07", "+7", "0x7", "7n", "7,0", "7_0", "VII", "٧", "1e400", "7e", ".7e1", "--7", "7 7"],
  "mcp-param-dry": ["True", "TRUE", "1", "yes", "on", "true true", "null"],
};

/** One request as bytes, so that nothing on this side repairs it. */
async function send(
  url: string,
  token: string | undefined,
  { method, params }: Pick<Subject, "method" | "params">,
  headers: readonly (readonly [string, string])[],
): Promise<{ readonly status: number; readonly text: string }> {
  const { host, pathname } = new URL(url);
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const lines = [
    ...[`POST ${pathname} HTTP/1.1`, `Host: ${host}`, "Connection: close"],
    ...["Content-Type: application/json", "Accept: application/json, text/event-stream"],
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${new TextEncoder().encode(body).length}`,
  ];
  const answer = await sendRaw(url, `${lines.join("\r\n")}\r\n\r\n${body}`);
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]), text: answer };
}

/** All headers of a subject, one of them bent. */
function bent(of: Subject, header: string, values: readonly string[]): (readonly [string, string])[] {
  const others = Object.entries(of.headers).filter(([name]) => name !== header);
  return [...others, ...values.map((value) => [header, value] as const)];
}

async function start(upstream: RoutedUpstream) {
  const gateway = await startGateway({ config: { upstreams: { routed: { url: upstream.url } } } });
  const { token } = await gateway.mint({
    ...{ tenant: "default", agent: "a", ttl_seconds: 600, tools: ["read"] },
    ...{ prompts: ["brief"], resources: ["notes://**"] },
  });
  const url = `${gateway.url}/mcp/routed`;
  const agent = new ModernAgent(url, token);
  assert.equal((await agent.request("server/discover")).status, 200);
  return { gateway, url, token, agent };
}

Deno.test("in every pair of a header and what it repeats, a contradiction is refused before the upstream", async (t) => {
  const upstream = startRoutedUpstream(["read", "wipe"]);
  const { gateway, url, token } = await start(upstream);
  await using _ = gateway;
  const attack = async (of: Subject, header: string, values: readonly string[], what: string) => {
    const lines = bent(of, header, values);
    upstream.acted.length = 0;
    const direct = await send(upstream.url, undefined, of, lines);
    assert.equal(direct.status, 200, what);
    const [acted] = upstream.acted;
    assert.ok(acted !== undefined, "without the gateway it is acted on");
    assert.notEqual(acted.headers.get(header), String(saidByBody(acted, header)), "in two ways");
    upstream.acted.length = 0;
    const refused = await send(url, token, of, lines);
    assert.equal(refused.status, 400, `${what}: ${refused.text}`);
    assert.match(refused.text, /"code":-32020/, what);
    assert.deepEqual(upstream.acted, [], what);
  };
  for (const of of SUBJECTS) {
    for (const [header, right] of Object.entries(of.headers)) {
      await t.step(`${of.method}: ${header}`, async () => {
        for (const [what, bend] of Object.entries(BENDS)) {
          const values = bend(right);
          // Digits have no case, and what is not changed is no attack.
          if (values.length === 1 && values[0] === right) continue;
          await attack(of, header, values, `${header} ${what}`);
        }
        for (const value of LOOSE_VALUES[header] ?? []) {
          await attack(of, header, [value], `${header}: ${value}`);
        }
      });
    }
  }
  await t.step("only names and arguments may be encoded", async () => {
    for (const header of ["mcp-protocol-version", "mcp-method"]) {
      for (const of of SUBJECTS) {
        await attack(of, header, [base64(of.headers[header] ?? "")], `${of.method}: ${header} in base64`);
      }
    }
  });
  await upstream.close();
});

Deno.test("headers that agree pass, and the upstream gets them as the body says it", async (t) => {
  const upstream = startRoutedUpstream(["read", "wipe"]);
  const { gateway, url, token } = await start(upstream);
  await using _ = gateway;
  for (const of of SUBJECTS.slice(0, 3)) {
    await t.step(of.method, async () => {
      for (const [header, right] of Object.entries(of.headers)) {
        const mayEncode = /^mcp-(?:name|param-)/.test(header);
        for (const value of [right, `  ${right}\t`, ...(mayEncode ? [base64(right)] : [])]) {
          upstream.acted.length = 0;
          const answer = await send(url, token, of, bent(of, header, [value]));
          assert.equal(answer.status, 200, answer.text);
          assert.match(answer.text, /"result":/);
          const [acted] = upstream.acted;
          assert.ok(acted !== undefined);
          for (const [name, said] of Object.entries(of.headers)) {
            assert.equal(acted.headers.get(name), said, `${name} beside ${header}: ${value}`);
          }
        }
      }
    });
  }
  await t.step("another spelling of the same number arrives as the body has it", async () => {
    const [of] = SUBJECTS;
    assert.ok(of !== undefined);
    for (const value of ["7.0", "70e-1", "7.000000000000000000001"]) {
      upstream.acted.length = 0;
      const answer = await send(url, token, of, bent(of, "mcp-param-count", [value]));
      assert.equal(answer.status, 200, answer.text);
      assert.equal(upstream.acted[0]?.headers.get("mcp-param-count"), "7");
    }
  });
  await upstream.close();
});

Deno.test("a body that says less than its headers, or another era, is refused", async (t) => {
  const upstream = startRoutedUpstream(["read", "wipe"]);
  const { gateway, url, token } = await start(upstream);
  await using _ = gateway;
  const [of] = SUBJECTS;
  assert.ok(of !== undefined);
  const { _meta, ...bare } = of.params;
  const metaOf = (changes: JsonObject) => ({
    ...bare,
    _meta: { ...(isJsonObject(_meta) ? _meta : {}), ...changes },
  });
  const argumentsOf = (changes: JsonObject) => ({
    ...of.params,
    arguments: Object.fromEntries(
      Object.entries({ ...ARGUMENTS, ...changes }).filter(([, value]) => value !== undefined),
    ),
  });
  const bodies: Readonly<Record<string, readonly [JsonObject, number, Record<string, string>?]>> = {
    "no _meta": [bare, -32602],
    "an empty _meta": [{ ...bare, _meta: {} }, -32602],
    "no version": [metaOf({ [`${META}protocolVersion`]: undefined }), -32602],
    "a version that is no text": [metaOf({ [`${META}protocolVersion`]: [VERSION] }), -32602],
    "no capabilities": [metaOf({ [`${META}clientCapabilities`]: undefined }), -32602],
    "capabilities that are a list": [metaOf({ [`${META}clientCapabilities`]: [] }), -32602],
    "a legacy version": [metaOf({ [`${META}protocolVersion`]: "2025-11-25" }), -32020],
    "a legacy version in both": [
      ...[metaOf({ [`${META}protocolVersion`]: "2025-11-25" }), -32022] as const,
      { "mcp-protocol-version": "2025-11-25" },
    ],
    "a legacy version in the header": [of.params, -32020, { "mcp-protocol-version": "2025-11-25" }],
    "no argument for a header": [argumentsOf({ region: undefined }), -32020],
    "null for a header": [argumentsOf({ region: null }), -32020],
    "a list for a header": [argumentsOf({ region: ["eu-west"] }), -32020],
    "an object for a header": [argumentsOf({ region: {} }), -32020],
    "another number": [argumentsOf({ count: 8 }), -32020],
    "a text for a number": [argumentsOf({ count: "7.0" }), -32020],
    "another truth": [argumentsOf({ dry: false }), -32020],
    "another place": [argumentsOf({ deep: { place: "plant" } }), -32020],
    "the place elsewhere": [argumentsOf({ deep: {}, place: "lab" }), -32020],
  };
  for (const [what, [params, code, changes = {}]] of Object.entries(bodies)) {
    await t.step(what, async () => {
      const headers = Object.entries({ ...of.headers, ...changes });
      upstream.acted.length = 0;
      assert.equal((await send(upstream.url, undefined, { method: of.method, params }, headers)).status, 200);
      assert.equal(upstream.acted.length, 1, "without the gateway it is acted on");
      upstream.acted.length = 0;
      const refused = await send(url, token, { method: of.method, params }, headers);
      assert.equal(refused.status, 400, refused.text);
      assert.ok(refused.text.includes(`"code":${code}`), refused.text);
      assert.deepEqual(upstream.acted, []);
    });
  }
  await upstream.close();
});

Deno.test("headers for what the body does not repeat, and for tools that declare none, go nowhere", async () => {
  const upstream = startRoutedUpstream(["read", "wipe"]);
  const { gateway, url, token } = await start(upstream);
  await using _ = gateway;
  const smuggled = {
    ...{ "mcp-param-free": "x", "mcp-param-tenant": "root", "mcp-param-": "x", "mcp-param-region-2": "us" },
    ...{ "mcp-params-region": "us", "mcp-tool": "wipe", "mcp-session-id": "x", "x-mcp-name": "wipe" },
  };
  for (const of of SUBJECTS.slice(0, 8)) {
    // Where nothing is named, a name is as good as smuggled.
    const more = of.headers["mcp-name"] === undefined ? { ...smuggled, "mcp-name": "wipe" } : smuggled;
    upstream.acted.length = 0;
    const lines = [...Object.entries(of.headers), ...Object.entries(more)];
    await send(upstream.url, undefined, of, lines);
    for (const [name, value] of Object.entries(more)) {
      assert.equal(upstream.acted[0]?.headers.get(name), value, "without the gateway it arrives");
    }
    upstream.acted.length = 0;
    const answer = await send(url, token, of, lines);
    assert.match(answer.text, /"result":/, `${of.method}: ${answer.text}`);
    for (const { headers } of upstream.acted) {
      for (const name of Object.keys(more)) assert.equal(headers.get(name), null, `${of.method}: ${name}`);
    }
  }
  // A name with a blank before its colon, or with an underscore, must not become the other one.
  for (const line of ["Mcp-Name : wipe", "Mcp-Name:wipe\r\n folded", "Mcp_Name: wipe"] as const) {
    const [of] = SUBJECTS;
    assert.ok(of !== undefined);
    upstream.acted.length = 0;
    const [name = "", value = ""] = line.split(/:(.*)/s);
    await send(url, token, of, [[name, value], ...Object.entries(of.headers)]);
    for (const { headers } of upstream.acted) assert.equal(headers.get("mcp-name"), "read", line);
  }
  await upstream.close();
});

Deno.test("in a legacy session no header says what is called, and the version is the negotiated one", async (t) => {
  const upstream = startCarelessUpstream({ read: undefined, wipe: undefined });
  await using gateway = await startGateway({ config: { upstreams: { careless: { url: upstream.url } } } });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600, tools: ["read"] });
  const agent = await Agent.connect(gateway.url, "careless", token);
  const session: [string, string] = ["mcp-session-id", agent.session ?? ""];
  const version: [string, string] = ["mcp-protocol-version", "2025-11-25"];
  const call = { method: "tools/call", params: { name: "read", arguments: { n: 1 } } };
  const list = { method: "tools/list", params: {} };
  const modern = { "mcp-method": "tools/list", "mcp-name": "wipe", "mcp-param-n": "666" };

  await t.step("headers of the modern era reach nobody", async () => {
    // What the gateway asks for itself may have such headers; it has asked by then.
    assert.equal(resultOf(await agent.call("read", { n: 1 })), "ok");
    for (const message of [call, list]) {
      await send(upstream.url, undefined, message, [version, ...Object.entries(modern)]);
      assert.equal(upstream.requests.at(-1)?.get("mcp-name"), "wipe", "without the gateway they arrive");
      const before = upstream.requests.length;
      const answer = await send(agent.url, token, message, [session, version, ...Object.entries(modern)]);
      assert.match(answer.text, /"result":/);
      assert.ok(upstream.requests.length > before);
      for (const headers of upstream.requests.slice(before)) {
        for (const name of Object.keys(modern)) assert.equal(headers.get(name), null, name);
      }
    }
  });

  const versions: Readonly<Record<string, readonly string[]>> = {
    "another legacy version": ["2025-06-18"],
    "an unknown version": ["2025-11-26"],
    "no version at all": [""],
    "a modern version": [VERSION],
    "two versions": ["2025-11-25", "2025-11-25"],
    "two different versions": ["2025-11-25", VERSION],
    "a list of versions": ["2025-11-25, 2025-06-18"],
    "a version in base64": [base64("2025-11-25")],
    "more than a version": ["2025-11-25x"],
  };
  for (const [what, values] of Object.entries(versions)) {
    await t.step(`${what} in the header`, async () => {
      for (const message of [call, list, { method: "ping", params: {} }]) {
        const lines = values.map((value) => ["mcp-protocol-version", value] as const);
        const direct = await send(upstream.url, undefined, message, lines);
        assert.equal(direct.status, 200, "the upstream does not look");
        const before = upstream.requests.length;
        const refused = await send(agent.url, token, message, [session, ...lines]);
        assert.equal(refused.status, 400, refused.text);
        assert.equal(upstream.requests.length, before);
      }
    });
  }

  const sessions: Readonly<Record<string, readonly string[]>> = {
    "two sessions": [session[1], session[1]],
    "another one before it": ["x", session[1]],
    "another one behind it": [session[1], "x"],
    "one in another case": [swapped(session[1])],
    "an empty one": [""],
    "one in base64": [base64(session[1])],
  };
  for (const [what, values] of Object.entries(sessions)) {
    await t.step(what, async () => {
      const lines = values.map((value) => ["mcp-session-id", value] as const);
      const before = upstream.requests.length;
      const refused = await send(agent.url, token, call, [version, ...lines]);
      assert.ok([400, 404].includes(refused.status), refused.text);
      assert.equal(upstream.requests.length, before);
    });
  }

  await t.step("a body of the modern era is held to the modern headers, session or not", async () => {
    const _meta: Record<string, JsonValue> = {
      [`${META}protocolVersion`]: VERSION,
      [`${META}clientCapabilities`]: {},
    };
    const body = { method: "tools/call", params: { ...call.params, _meta } };
    const before = upstream.effects.length;
    for (const lines of [[session, version], [session], [["mcp-protocol-version", VERSION] as const]]) {
      const refused = await send(agent.url, token, body, lines);
      assert.equal(refused.status, 400, refused.text);
      assert.match(refused.text, /"code":-32020/);
    }
    assert.equal(upstream.effects.length, before);
  });
  assert.equal(resultOf(await agent.call("read", { n: 1 })), "ok");
  await upstream.close();
});
