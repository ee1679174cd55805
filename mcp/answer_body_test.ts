import assert from "node:assert/strict";
import { AnswerBody, answerJson } from "./answer_body.ts";
import { UnreadAnswers, type UnreadRoom } from "./unread_answers.ts";

const request = new Request("http://localhost/");
const MIB = 1024 * 1024;

function roomOf(answers: UnreadAnswers): UnreadRoom {
  return { holdUnread: (drop) => answers.hold("acme", request, drop) };
}

/** Text whose characters need one, two, three and four bytes, cut wherever pieces end. */
const MIXED = `x${"aä€😀".repeat(60_000)}`;

Deno.test("a body gives back what was written, however long it is and however it is read", async () => {
  const answers = new UnreadAnswers();
  const body = new AnswerBody(() => {}, roomOf(answers));
  body.write("begin ");
  body.write(MIXED);
  body.write("");
  body.write(" end");
  assert.ok(answers.bytes > 0);
  body.close();
  body.write("too late");
  assert.equal(await new Response(body.stream).text(), `begin ${MIXED} end`);
  assert.deepEqual([answers.bytes, body.backlog], [0, 0]);
});

Deno.test("an answer that the stream itself holds is counted nowhere", async () => {
  const room: UnreadRoom = { holdUnread: () => assert.fail("it was counted") };
  const body = new AnswerBody(() => {}, room);
  for (let event = 0; event < 10; event++) body.write("data: 1\n\n");
  assert.equal(body.backlog, 90);
  body.close();
  assert.equal((await new Response(body.stream).text()).length, 90);
  assert.equal(await answerJson('{"a":1}', room).text(), '{"a":1}');
});

Deno.test("what a client leaves unread is counted piece by piece, small ones with what they cost", async () => {
  const answers = new UnreadAnswers();
  const response = answerJson("a".repeat(MIB), roomOf(answers));
  const before = answers.bytes;
  assert.ok(before > MIB * 0.9 && before < MIB * 1.1, `${before}`);
  const reader = response.body!.getReader();
  for (let read = 0; read < MIB / 2;) read += (await reader.read()).value?.length ?? 0;
  assert.ok(answers.bytes < before * 0.6, `${answers.bytes}`);
  await reader.cancel();
  assert.equal(answers.bytes, 0);

  const body = new AnswerBody(() => {}, roomOf(answers));
  body.write("a".repeat(70_000));
  const [held] = [answers.bytes];
  for (let event = 0; event < 100; event++) body.write("b");
  assert.ok(answers.bytes > held + 20_000);
  await body.stream.cancel();
});

Deno.test("an answer that is given up is cut, and whoever feeds it hears of it", async () => {
  const answers = new UnreadAnswers({ maxBytes: MIB });
  let isGone = false;
  const body = new AnswerBody(() => isGone = true, roomOf(answers));
  body.write("a".repeat(MIB));
  const next = answerJson(`{"text":"${"b".repeat(MIB / 2)}"}`, roomOf(answers));
  assert.ok(isGone);
  body.write("more");
  const kept = await new Response(body.stream).text();
  assert.ok(kept.length < 200_000 && /^a*$/.test(kept), `${kept.length}`);
  // The other one is whole.
  assert.equal((await next.json()).text.length, MIB / 2);
  assert.equal(answers.bytes, 0);
});
