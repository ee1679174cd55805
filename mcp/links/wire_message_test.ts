import assert from "node:assert/strict";
import { readWireMessage } from "./wire_message.ts";

const kindOf = (text: string) => readWireMessage(text).kind;

Deno.test("readWireMessage() tells the kinds apart and keeps the text of a result", () => {
  const text = '{ "jsonrpc":"2.0", "id":1, "result": {"big":12345678901234567890,"exact":0.10} }';
  const read = readWireMessage(text);
  assert.ok(read.kind === "result");
  assert.equal(read.text, '{"big":12345678901234567890,"exact":0.10}');
  assert.deepEqual(
    readWireMessage('{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"no","data":{"x":1}}}'),
    {
      ...{ kind: "error", id: "a", error: { code: -1, message: "no", data: { x: 1 } } },
    },
  );
  assert.deepEqual(readWireMessage('{"jsonrpc":"2.0","method":"m"}'), {
    ...{ kind: "notification", method: "m", params: {} },
  });
  assert.deepEqual(readWireMessage('{"jsonrpc":"2.0","id":0,"method":"m","params":{"a":[]}}'), {
    ...{ kind: "request", id: 0, method: "m", params: { a: [] } },
  });
});

Deno.test("readWireMessage() takes nothing that two readers could understand differently", () => {
  const deep = `${"[".repeat(70)}${"]".repeat(70)}`;
  for (
    const text of [
      ...["", "junk", "[]", "null", '"x"', "{}", '{"jsonrpc":"1.0","id":1,"result":{}}'],
      ...['{"jsonrpc":"2.0","id":null,"result":{}}', '{"jsonrpc":"2.0","result":{}}'],
      ...['{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}', '{"jsonrpc":"2.0","id":1}'],
      ...['{"jsonrpc":"2.0","id":1,"result":[]}', '{"jsonrpc":"2.0","id":1.5,"result":{}}'],
      ...['{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}', '{"jsonrpc":"2.0","id":1,"id":2,"result":{}}'],
      ...[`{"jsonrpc":"2.0","id":1,"result":{"a":${deep}}}`, '{"jsonrpc":"2.0","method":1}'],
      ...['{"jsonrpc":"2.0","method":"m","params":[]}', '{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}'],
      '[{"jsonrpc":"2.0","id":1,"result":{}}]',
    ]
  ) {
    assert.equal(kindOf(text), "unusable", text);
  }
});
