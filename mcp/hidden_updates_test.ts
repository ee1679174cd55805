/** What an upstream says unasked about what the caller may not use. */
import assert from "node:assert/strict";
import { allowAll, event, result, startFront, startServer, streamOf, upstreamOf } from "./front_fixture.ts";

const updated = (uri: string) =>
  event({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });

Deno.test("updates of resources that the caller may not read do not pass before an answer, either", async () => {
  await using server = startServer();
  server.behave(({ id, method }) =>
    ["ping", "tools/call", "tools/list"].includes(method)
      ? streamOf(
        updated("a:secret"),
        updated("a:open"),
        updated("a:secret"),
        event(result(id, { tools: [] })),
      )
      : undefined
  );
  const gateway = allowAll();
  gateway.needsDefinition = false;
  gateway.names = (name) => name === "a:open";
  const client = await startFront(upstreamOf(server.url), { gateway });
  await client.initialize();
  for (const method of ["ping", "tools/call", "tools/list"]) {
    const text = await (await client.request(method, { name: "pay_invoice" })).text();
    assert.equal(text.split("a:open").length, 2, text);
    assert.ok(!text.includes("secret"), text);
    assert.ok(text.includes('"result"'), text);
  }
});

Deno.test("a list in the answer to another list is filtered, too, and no list stands there twice", async () => {
  await using server = startServer();
  const gateway = allowAll();
  gateway.names = (name) => name === "a:open";
  gateway.lists = (tools) => Promise.resolve(tools.map(() => false));
  let answer = "";
  server.behave(({ id, method }) =>
    method?.endsWith("/list")
      ? new Response(`{"jsonrpc":"2.0","id":${id},"result":${answer}}`, {
        headers: { "content-type": "application/json" },
      })
      : undefined
  );
  const client = await startFront(upstreamOf(server.url), { gateway });
  await client.initialize();
  const tool = '{"name":"secret","inputSchema":{"type":"object"}}';
  const resources = '[{"uri":"a:open","name":"o"},{"uri":"a:secret","name":"s"}]';
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['{"tools":[],"prompts":[{"name":"secret"}]}', '{"tools":[],"prompts":[]}'],
    [
      `{"resources":${resources},"tools":[${tool}]}`,
      '{"resources":[{"uri":"a:open","name":"o"}],"tools":[]}',
    ],
    [`{"resources":${resources},"tools":null}`, '{"resources":[{"uri":"a:open","name":"o"}],"tools":null}'],
    [`{"resources":${resources},"resources":null}`, undefined],
    [`{"tools":[${tool}],"tools":null}`, undefined],
    [`{"tools":{"0":${tool}}}`, undefined],
    ['{"prompts":"secret"}', undefined],
  ];
  for (const [given, shown] of cases) {
    answer = given;
    for (const method of ["tools/list", "resources/list"]) {
      const text = await (await client.request(method)).text();
      if (shown === undefined) assert.equal(JSON.parse(text).error?.data.code, "list_failed", text);
      else assert.equal(text.slice(text.indexOf('"result":') + 9, -1), shown);
    }
  }
});
