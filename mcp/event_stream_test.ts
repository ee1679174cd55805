import assert from "node:assert/strict";
import fc from "fast-check";
import {
  EventSplitter,
  eventText,
  eventTextWithData,
  EventTooLong,
  EventWriter,
  isComment,
} from "./event_stream.ts";

const LIMIT = 10_000;

function split(chunks: readonly string[], limit = LIMIT) {
  const splitter = new EventSplitter(limit);
  return chunks.flatMap((chunk) => splitter.push(chunk));
}

const line = fc.constantFrom(
  "data: a",
  "data:b",
  "data",
  "id: 1",
  "id",
  ": comment",
  "retry: 5",
  "event: message",
  "x",
  "",
);
const text = fc.array(fc.tuple(line, fc.constantFrom("\n", "\r", "\r\n"))).map((lines) =>
  lines.flat().join("")
);

Deno.test("EventSplitter gives the same events however the text is cut", () => {
  fc.assert(
    fc.property(text, fc.array(fc.nat({ max: 200 }), { maxLength: 20 }), (sample, cuts) => {
      const points = [...new Set(cuts.map((cut) => cut % (sample.length + 1)))].sort((a, b) => a - b);
      const chunks = [0, ...points].map((from, index) => sample.slice(from, points[index] ?? sample.length));
      assert.equal(chunks.join(""), sample);
      assert.deepEqual(split(chunks), split([sample]));
      assert.deepEqual(split([...sample]), split([sample]));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("EventSplitter sees what a plain reading of the whole text sees", () => {
  fc.assert(
    fc.property(text, (sample) => {
      const blocks = (sample.replace(/\r\n?/g, "\n") + "\u0001").split(/\n\n/).slice(0, -1)
        .map((block) => block.replace(/^\n+/, "")).filter((block) => block !== "");
      assert.deepEqual(split([sample]).map((event) => event.lines.join("\n")), blocks);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("EventSplitter joins data lines and strips one space", () => {
  const [event] = split(["event: message\ndata: {\ndata:  1}\ndata\nid: 7\n\n"]);
  assert.equal(event?.data, "{\n 1}\n");
  assert.equal(event?.hasId, true);
  assert.equal(split([": comment\n\n"])[0]?.data, undefined);
});

Deno.test("EventSplitter drops what is never completed", () => {
  assert.deepEqual(split(["data: a\n\ndata: b\n"]).length, 1);
});

Deno.test("EventSplitter bounds one event, not the stream", () => {
  assert.throws(() => split(["data: " + "x".repeat(LIMIT)]), EventTooLong);
  assert.throws(() => split(Array.from({ length: LIMIT }, () => "a\n")), EventTooLong);
  assert.equal(split(Array.from({ length: 100 }, () => `data: ${"x".repeat(LIMIT / 2)}\n\n`)).length, 100);
});

Deno.test("eventTextWithData() replaces the data and keeps the rest", () => {
  const [event] = split(["id: 7\ndata: a\nretry: 5\ndata: b\n\n"]);
  assert.ok(event);
  assert.equal(eventText(event), "id: 7\ndata: a\nretry: 5\ndata: b\n\n");
  assert.equal(eventTextWithData(event, '{"a":\n1}'), 'id: 7\nretry: 5\ndata: {"a":\ndata: 1}\n\n');
});

Deno.test("EventWriter sends comments between events only, and stops with the stream", async () => {
  const writer = new EventWriter(() => {}, { keepAliveMs: 5 });
  writer.write("data: 1\n\n");
  await new Promise((done) => setTimeout(done, 30));
  writer.write("data: 2\n\n");
  writer.close();
  writer.write("data: 3\n\n");
  const received = await new Response(writer.body).text();
  assert.match(received, /^data: 1\n\n(:\n\n)+data: 2\n\n$/);
});

Deno.test("EventWriter says when the client has gone, and goes on without it", async () => {
  let isGone = false;
  const writer = new EventWriter(() => isGone = true);
  await writer.body.cancel();
  assert.equal(isGone, true);
  writer.write("data: 1\n\n");
  writer.close();
  assert.equal(writer.backlog, 0);
});

Deno.test("eventText() leaves out lines that another reader could take for another field", () => {
  const [event] = split(["\ufeffdata: evil\nother: x\n: note\nid: 7\ndata: a\n\n"]);
  assert.ok(event);
  assert.equal(event.data, "a");
  assert.equal(eventText(event), ": note\nid: 7\ndata: a\n\n");
  assert.equal(eventTextWithData(event, "b"), ": note\nid: 7\ndata: b\n\n");
});

Deno.test("isComment() knows an event that says nothing", () => {
  const [comment, other] = split([": a\n:b\n\n: c\nid: 1\n\n"]);
  assert.ok(comment && other);
  assert.deepEqual([isComment(comment), isComment(other)], [true, false]);
});
