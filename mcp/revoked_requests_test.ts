/** What is open or under way ends when its token is revoked, also where that happens while it opens. */
import assert from "node:assert/strict";
import {
  allowAll,
  event,
  hang,
  modernAnswer,
  readMessage,
  result,
  startFront,
  startServer,
  streamOf,
  type TestClient,
  type TestGateway,
  type TestServer,
  upstreamOf,
} from "./front_fixture.ts";

const GET = { method: "GET", headers: { "content-type": undefined, accept: "text/event-stream" } };
const LISTEN = { notifications: { toolsListChanged: true } };
const CALL = { name: "pay_invoice", arguments: {} };
const NOTE = event({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: 1 } });

/** A gateway that from now on refuses everybody who is asked about. */
function refuseAll(gateway: TestGateway, code: string): void {
  const { admit } = gateway;
  gateway.admit = async (call) => {
    const answer = await admit(call, "bad");
    assert.ok(answer.kind === "refused");
    return { ...answer, refusal: { ...answer.refusal, code } };
  };
}

/** A stream that goes on until the gateway leaves it. */
function endless(): { readonly response: Response; readonly left: Promise<void> } {
  const left = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(NOTE)),
    cancel: () => left.resolve(),
  });
  const response = new Response(body, { headers: { "content-type": "text/event-stream" } });
  return { response, left: left.promise };
}

async function connect(server: TestServer, isModern: boolean, gateway = allowAll()): Promise<TestClient> {
  const client = await startFront(upstreamOf(server.url), { gateway });
  if (isModern) await (await client.modern("tools/list")).body?.cancel();
  else await client.initialize();
  return client;
}

for (const isModern of [false, true]) {
  const kind = isModern ? "subscriptions/listen" : "GET";
  Deno.test(`${kind}: a stream that opens while its token is revoked does not stay`, async () => {
    await using server = startServer();
    const arrived = Promise.withResolvers<void>();
    const opens = Promise.withResolvers<void>();
    const stream = endless();
    server.behave(async (message, request) => {
      if (request.method !== "GET" && message.method !== "subscriptions/listen") {
        return isModern ? modernAnswer(message) : undefined;
      }
      arrived.resolve();
      await opens.promise;
      return stream.response;
    });
    const client = await connect(server, isModern);
    const opening = isModern ? client.modern("subscriptions/listen", LISTEN) : client.send(null, GET);
    await arrived.promise;
    refuseAll(client.gateway, "revoked_token");
    await client.front.recheckStreams();
    opens.resolve();
    await (await opening).body?.pipeTo(new WritableStream());
    assert.equal(client.front.openStreams(), 0);
    await stream.left;
  });

  const era = isModern ? "modern" : "legacy";
  Deno.test(`${era} calls under way end when their token is revoked, before their answer and in it`, async () => {
    await using server = startServer();
    let isStream = false;
    const arrived: PromiseWithResolvers<void>[] = [];
    const stream = endless();
    server.behave((message, request) => {
      if (message.method !== "tools/call") return isModern ? modernAnswer(message) : undefined;
      arrived.at(-1)?.resolve();
      return isStream ? stream.response : hang(request);
    });
    for (isStream of [false, true]) {
      const client = await connect(server, isModern);
      arrived.push(Promise.withResolvers());
      const calling = isModern ? client.modern("tools/call", CALL) : client.request("tools/call", CALL);
      await arrived.at(-1)?.promise;
      if (isStream) await calling;
      refuseAll(client.gateway, "revoked_token");
      await client.front.recheckStreams();
      const message = await readMessage(await calling);
      assert.equal(message.error?.data.code, "outcome_unknown", JSON.stringify(message));
      const ending = await client.gateway.endings.at(-1);
      assert.deepEqual([ending?.kind, ending?.code], ["unknown", "cancelled"]);
    }
    await stream.left;
    if (!isModern) assert.equal(server.calls("notifications/cancelled").length, 2);
  });
}

Deno.test("a call that was decided while its token was revoked ends, too", async () => {
  await using server = startServer();
  server.behave((message, request) => message.method === "tools/call" ? hang(request) : undefined);
  const client = await connect(server, false);
  const { handle } = client.gateway;
  client.gateway.handle = async (...given) => {
    refuseAll(client.gateway, "revoked_token");
    await client.front.recheckStreams();
    return await handle(...given);
  };
  const { message } = await client.call("pay_invoice");
  assert.equal(message.error?.data.code, "outcome_unknown");
});

Deno.test("an expired token, and the end of the process, leave a call to come to its own", async () => {
  for (const code of ["expired_token", "shutting_down"]) {
    await using server = startServer();
    server.behave(({ id, method }) =>
      method === "tools/call" ? streamOf(NOTE, 50, event(result(id, { content: [] }))) : undefined
    );
    const client = await connect(server, false);
    const calling = client.request("tools/call", CALL);
    const response = await calling;
    refuseAll(client.gateway, code);
    await client.front.recheckStreams();
    assert.deepEqual((await readMessage(response)).result?.content, []);
  }
});
