/** Threat: a hostile upstream makes the client believe messages that the gateway did not let pass. */
import assert from "node:assert/strict";
import type { JsonValue } from "../../core/json.ts";
import { Agent } from "../agent.ts";
import { startGateway } from "../gateway_process.ts";
import { type Answering, eventStream, startCarelessUpstream } from "./careless_upstream.ts";

const ID = 9;
const OWN = `{"jsonrpc":"2.0","id":${ID},"result":{"content":[]}}`;
const OTHER = '{"jsonrpc":"2.0","id":4711,"result":{"content":[{"type":"text","text":"evil"}]}}';
const AGAIN = `{"jsonrpc":"2.0","id":${ID},"result":{"content":[{"type":"text","text":"evil"}]}}`;
const REQUEST = '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"evil":true}}';
const data = (message: string) => `data: ${message}\n\n`;
const stream = (text: string): Answering => () => eventStream(text);
const json = (text: string, status = 200): Answering => () =>
  new Response(text, { status, headers: { "content-type": "application/json" } });

/** Every one of them reaches the client with the word "evil" when no gateway stands between. */
const ATTACKS: Readonly<Record<string, Answering>> = {
  "an answer to another request": stream(data(OTHER) + data(OWN)),
  "a second answer to the same request": stream(data(OWN) + data(AGAIN)),
  "a request of the server": stream(data(REQUEST) + data(OWN)),
  "a request behind a byte order mark": stream(`\ufeff\ufeff${data(REQUEST)}${data(OWN)}`),
  "an answer behind a byte order mark": stream(`\ufeff\ufeff${data(AGAIN)}${data(OWN)}`),
  "a request in lines that end with CR": stream(`: x\rdata: ${REQUEST}\r\rdata: ${OWN}\r\r`),
  "a request in lines of all three kinds": stream(`id: 1\rdata: ${REQUEST}\n\r\ndata: ${OWN}\r\n\r\n`),
  "a request cut into many data lines": stream(
    `${REQUEST.replaceAll(",", ",\n").split("\n").map((line) => `data:${line}\n`).join("")}\n${data(OWN)}`,
  ),
  "a request with a retry time and an event id": stream(`retry: 1\nid: 7\n${data(REQUEST)}${data(OWN)}`),
  "a message that is request and answer": stream(
    data(REQUEST.replace("{", '{"result":{},')) + data(OWN),
  ),
  "an answer with two ids": stream(data(OTHER.replace("{", `{"id":${ID},`)) + data(OWN)),
  "an answer with result and error": stream(data(AGAIN.replace("{", '{"error":{"code":1},')) + data(OWN)),
  "a batch": stream(data(`[${OWN},${AGAIN}]`) + data(OWN)),
  "JSON for another request": json(OTHER),
  "JSON with two results": json(AGAIN.replace("{", '{"result":{},')),
  "JSON with a result that is none, and an error": json(
    `{"jsonrpc":"2.0","id":${ID},"result":"evil","error":{"code":1,"message":""}}`,
    400,
  ),
  "an error with HTTP 400 for another request": json(
    '{"jsonrpc":"2.0","id":4711,"error":{"code":1,"message":"evil"}}',
    400,
  ),
};

Deno.test("a client hears only what answers its own request, once", async (t) => {
  const tools = Object.fromEntries(Object.entries(ATTACKS).map(([, answer], index) => [`t${index}`, answer]));
  const upstream = startCarelessUpstream(tools);
  await using gateway = await startGateway({ config: { upstreams: { hostile: { url: upstream.url } } } });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "hostile", token);
  for (const [index, what] of Object.keys(ATTACKS).entries()) {
    await t.step(`${what} does not pass`, async () => {
      const body = { jsonrpc: "2.0", id: ID, method: "tools/call", params: { name: `t${index}` } };
      const direct = await fetch(upstream.url, { method: "POST", body: JSON.stringify(body) });
      assert.match(
        JSON.stringify(heard(await direct.text())),
        /evil/,
        "it reaches a client without the gateway",
      );
      const answer = await agent.send(body);
      const messages = heard(answer.text);
      assert.doesNotMatch(answer.text, /evil/);
      assert.equal(messages.length, 1, answer.text);
      assert.equal((messages[0] as { id: number }).id, ID);
    });
  }
  await upstream.close();
});

/** What a client understands: JSON, or a stream as the HTML specification reads it (the byte order mark is gone). */
function heard(text: string): JsonValue[] {
  if (text.startsWith("{")) return [JSON.parse(text)];
  const messages: JsonValue[] = [];
  let lines: string[] = [];
  for (const line of text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/)) {
    if (line.startsWith("data:")) lines.push(line.slice(5).replace(/^ /, ""));
    if (line !== "" || lines.length === 0) continue;
    messages.push(JSON.parse(lines.join("\n")));
    lines = [];
  }
  return messages;
}
