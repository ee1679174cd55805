import assert from "node:assert/strict";
import { type Answer, readIncoming } from "../answer.ts";
import { itemTexts, shownItem, withShownUris } from "./shown_texts.ts";

function answerOf(result: string): Answer {
  const incoming = readIncoming(`{"jsonrpc":"2.0","id":1,"result":${result}}`);
  if (incoming.kind !== "answer") throw new TypeError("Expected an answer");
  return incoming.answer;
}

const shown = (result: string) => withShownUris(answerOf(result), "fs");

Deno.test("withShownUris() renames resources wherever a result names them, and changes nothing else", () => {
  assert.match(
    shown('{"contents":[{"uri":"file:///a","big":12345678901234567890}]}'),
    /"uri":"intentgate:\/\/fs\/file:\/\/\/a","big":12345678901234567890/,
  );
  const content = '{"type":"resource_link","uri":"file:///b"},{"type":"text","text":"file:///c"}';
  const tool = shown(`{"content":[${content},{"type":"resource","resource":{"uri":"file:///d"}}]}`);
  assert.ok(tool.includes('"uri":"intentgate://fs/file:///b"') && tool.includes('"text":"file:///c"'));
  assert.ok(tool.includes('"resource":{"uri":"intentgate://fs/file:///d"}'));
  const prompt = '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"x:y"}}}]}';
  assert.ok(shown(prompt).includes('"uri":"intentgate://fs/x:y"'));
});

Deno.test("withShownUris() gives other results back as they are", () => {
  for (
    const result of [
      '{"content":[]}',
      '{"uri":"file:///a"}',
      '{"content":[{"type":"text","text":"x"}]}',
      "{}",
    ]
  ) {
    assert.equal(shown(result), answerOf(result).text);
  }
});

Deno.test("shownItem() renames one item of a list", () => {
  const [item = ""] = itemTexts(answerOf('{"tools":[{"name":"read","n":1e400}]}'), "tools");
  assert.equal(shownItem(item, "name", "fs"), '{"name":"fs__read","n":1e400}');
  assert.equal(
    shownItem('{"uriTemplate":"a:{b}"}', "uriTemplate", "fs"),
    '{"uriTemplate":"intentgate://fs/a:{b}"}',
  );
});
