/** Threat: the gateway authorizes one call, and a careless upstream reads another one out of the same bytes. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startGateway } from "../gateway_process.ts";
import { startCarelessUpstream } from "./careless_upstream.ts";

const call = (params: string, rest = '"jsonrpc":"2.0","id":9,"method":"tools/call"') =>
  `{${rest},"params":${params}}`;

/** Each body makes the careless upstream do `tool` with `n`, which no token of the test covers. */
const ATTACKS: readonly { what: string; body: string; tool: string; n?: string }[] = [
  { what: "a second params.name", body: call('{"name":"read","name":"wipe"}'), tool: "wipe" },
  { what: "a second name, escaped", body: call('{"name":"read","n\\u0061me":"wipe"}'), tool: "wipe" },
  { what: "Name beside name", body: call('{"name":"read","Name":"wipe"}'), tool: "wipe" },
  { what: "NAME in front", body: call('{"NAME":"wipe","name2":"read"}'), tool: "wipe" },
  {
    what: "second params",
    body: '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"read"},"params":{"name":"wipe"}}',
    tool: "wipe",
  },
  {
    what: "Params beside params",
    body: '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"read"},"PARAMS":{"name":"wipe"}}',
    tool: "wipe",
  },
  {
    what: "Method beside method",
    body: '{"jsonrpc":"2.0","id":9,"method":"ping","Method":"tools/call","params":{"name":"wipe"}}',
    tool: "wipe",
  },
  {
    what: "second arguments",
    body: call('{"name":"read","arguments":{"n":1},"arguments":{"n":666}}'),
    tool: "read",
    n: "666",
  },
  {
    what: "Arguments beside arguments",
    body: call('{"name":"read","arguments":{"n":1},"Arguments":{"n":666}}'),
    tool: "read",
    n: "666",
  },
  {
    what: "a second argument",
    body: call('{"name":"read","arguments":{"n":1,"n":666}}'),
    tool: "read",
    n: "666",
  },
  { what: "N beside n", body: call('{"name":"read","arguments":{"n":1,"N":666}}'), tool: "read", n: "666" },
  { what: "a batch", body: `[${call('{"name":"read"}')},${call('{"name":"wipe"}')}]`, tool: "wipe" },
  { what: "a batch of one", body: `[${call('{"name":"wipe"}')}]`, tool: "wipe" },
  {
    what: "tools/call as a notification",
    body: call('{"name":"wipe"}', '"jsonrpc":"2.0","method":"tools/call"'),
    tool: "wipe",
  },
  { what: "a name that ends early at U+0000", body: call('{"name":"wipe\\u0000read"}'), tool: "wipe" },
  { what: "a byte order mark", body: `\ufeff${call('{"name":"wipe"}')}`, tool: "wipe" },
  { what: "1e400", body: call('{"name":"read","arguments":{"n":1e400}}'), tool: "read", n: "1e400" },
  {
    what: "2^53 + 1",
    body: call('{"name":"read","arguments":{"n":9007199254740993}}'),
    tool: "read",
    n: "9007199254740993",
  },
  {
    what: "more digits than a double has",
    body: call('{"name":"read","arguments":{"n":0.1000000000000000055511151231257827}}'),
    tool: "read",
    n: "0.1000000000000000055511151231257827",
  },
  {
    what: "less than a double has",
    body: call('{"name":"read","arguments":{"n":1e-400}}'),
    tool: "read",
    n: "1e-400",
  },
];

Deno.test("what is authorized is what is forwarded", async (t) => {
  const upstream = startCarelessUpstream({ read: undefined, wipe: undefined });
  await using gateway = await startGateway({ config: { upstreams: { careless: { url: upstream.url } } } });
  const args = {
    read: { type: "object", properties: { n: { type: "number", minimum: 0, maximum: 10, optional: true } } },
  };
  const { token } = await gateway.mint({
    ...{ tenant: "default", agent: "mallory", ttl_seconds: 600, tools: ["read*"], args },
  });
  const agent = await Agent.connect(gateway.url, "careless", token);
  for (const { what, body, tool, n } of ATTACKS) {
    await t.step(`${what} does nothing through the gateway`, async () => {
      upstream.effects.length = 0;
      await (await fetch(upstream.url, { method: "POST", body })).text();
      const meant = upstream.effects.some((effect) => effect.tool === tool && effect.n === (n ?? effect.n));
      assert.ok(meant, "the attack works on the upstream itself");
      upstream.effects.length = 0;
      const answer = await agent.send(body);
      assert.notEqual(resultOf(answer), "ok");
      assert.ok(answer.status === 400 || answer.message.error.code === -31010, answer.text);
      assert.deepEqual(upstream.effects, []);
    });
  }
  await t.step("the same agent's honest call still works, and its bytes arrive unchanged", async () => {
    assert.equal(resultOf(await agent.send(call('{"name":"read","arguments":{"n":1.50}}'))), "ok");
    assert.deepEqual(upstream.effects, [{ tool: "read", n: "1.50" }]);
  });
  await upstream.close();
});
