/** Threat: a client with a token asks for long answers and does not read them. */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { eventually } from "../integration/gateways.ts";
import { metric } from "../integration/overload.ts";
import { eventStream, resultOf as answerOf, startCarelessUpstream } from "./careless_upstream.ts";
import { postHead } from "./raw_http.ts";

const LONG = "a".repeat(15 * 1024 * 1024);
/** As many as fill the room several times, and so many more that must not cost anything. */
const [FIRST, MORE] = [30, 50];

async function residentMib(gateway: GatewayProcess): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${gateway.pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** Calls a tool on a connection of its own and reads no more than that the call was answered. */
async function askAndNotRead({ url, token, session }: Agent, tool: string): Promise<Deno.TcpConn> {
  const { hostname, port, pathname } = new URL(url);
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool } });
  const head = postHead(
    pathname,
    ...["Host: 127.0.0.1", `Authorization: Bearer ${token}`, `Mcp-Session-Id: ${session}`],
    `Content-Length: ${body.length}`,
  );
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(head + body));
  const status = new Uint8Array(12);
  await connection.read(status);
  assert.equal(new TextDecoder().decode(status), "HTTP/1.1 200");
  return connection;
}

Deno.test("answers that nobody reads take no more memory than they may, and their connections end", async () => {
  const message = (id: unknown) =>
    JSON.stringify({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: LONG }] } });
  const upstream = startCarelessUpstream({
    json: (id) => answerOf(id, { content: [{ type: "text", text: LONG }] }),
    stream: (id) => eventStream(`data: ${message(id)}\n\n`),
  });
  await using gateway = await startGateway({
    config: { upstreams: { careless: { url: upstream.url, max_response_bytes: 16 * 1024 * 1024 } } },
  });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "careless", token);
  const unread: Deno.TcpConn[] = [];
  const leaveUnread = async (count: number) => {
    for (let index = 0; index < count; index++) {
      unread.push(await askAndNotRead(agent, index % 2 === 0 ? "json" : "stream"));
    }
    return await residentMib(gateway);
  };
  const full = await leaveUnread(FIRST);
  const after = await leaveUnread(MORE);
  // Who reads still gets the whole of it.
  for (const tool of ["json", "stream"]) {
    const answer = await agent.call(tool);
    assert.equal(resultOf(answer), "ok");
    assert.equal(answer.message.result.content[0].text.length, LONG.length);
  }
  assert.ok(after - full < MORE * 15 / 2, `${full} MiB, later ${after} MiB with unread answers`);
  const ended = 'intentgate_closed_connections_total{reason="unread_full"}';
  await eventually(async () => await metric(gateway, ended) >= MORE, "ending the connections");
  for (const connection of unread) connection.close();
  await upstream.close();
});
