import assert from "node:assert/strict";
import { createLog, errorText, type LogOptions } from "./log.ts";

function gathered(options: Partial<LogOptions> = {}) {
  const written: string[] = [];
  const clock = { nowMs: 1_000 };
  const made = createLog({ write: (text) => written.push(text), nowMs: () => clock.nowMs, ...options });
  const lines = () => written.join("").split("\n").slice(0, -1).map((line) => JSON.parse(line));
  return { ...made, written, lines, clock };
}

Deno.test("createLog() gathers lines, and writes an error at once with all that came before", () => {
  const { log, written, lines, close } = gathered();
  log("info", "First", { a: 1 });
  assert.equal(written.length, 0);
  log("error", "Second");
  assert.equal(written.length, 1);
  const time = "1970-01-01T00:00:01.000Z";
  assert.deepEqual(lines(), [
    { time, level: "info", message: "First", a: 1 },
    { time, level: "error", message: "Second" },
  ]);
  close();
});

Deno.test("createLog() writes nothing below its level, and the rest when closed", () => {
  const { log, lines, close } = gathered({ level: "warn" });
  log("info", "Not written");
  log("warn", "Written");
  close();
  assert.deepEqual(lines().map((line) => line.message), ["Written"]);
});

Deno.test("one line is one line whatever stands in it", () => {
  const { log, written, lines, close } = gathered();
  log("info", 'a"b', { text: 'line\nbreak "}\u2028' });
  close();
  assert.equal(written.join("").split("\n").length, 2);
  assert.equal(lines()[0].text, 'line\nbreak "}\u2028');
});

Deno.test("a flood of one message leaves room for others, and says how much was left out", () => {
  const { log, lines, clock, close } = gathered({ maxPerSecond: 3 });
  for (let index = 0; index < 10; index++) log("error", "Flood", { index });
  log("error", "Other");
  clock.nowMs += 1_000;
  log("error", "Flood", { index: "next second" });
  close();
  assert.deepEqual(lines().map((line) => [line.message, line.index ?? line.left_out]), [
    ["Flood", 0],
    ["Flood", 1],
    ["Flood", 2],
    ["Other", undefined],
    ["Log lines were left out", 7],
    ["Flood", "next second"],
  ]);
});

Deno.test("a flood that ends is accounted for without another line, also at the end of the process", async () => {
  const waiting = gathered({ maxPerSecond: 1, nowMs: () => performance.now() });
  for (let index = 0; index < 3; index++) waiting.log("error", "Flood");
  await new Promise((resolve) => setTimeout(resolve, 1_150));
  assert.deepEqual(waiting.lines().at(-1).left_out, 2);
  for (let index = 0; index < 4; index++) waiting.log("error", "Flood");
  waiting.close();
  assert.deepEqual(waiting.lines().at(-1).left_out, 3);
});

Deno.test("a standard error that cannot be written to ends no call", () => {
  const { log, close } = gathered({
    write: () => {
      throw new Deno.errors.BrokenPipe("gone");
    },
  });
  log("error", "Nobody hears this");
  log("info", "Nor this");
  close();
});

Deno.test("errorText() tells the causes and never the stack", () => {
  const error = new Error("outer", { cause: new Error("inner") });
  assert.equal(errorText(error), "outer: inner");
  assert.equal(errorText("text"), "text");
});
