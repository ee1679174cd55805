import assert from "node:assert/strict";
import { linearPattern } from "./linear_pattern.ts";
import { PatternMatchers } from "./pattern_matchers.ts";

const program = (source: string) => linearPattern(source)!;

Deno.test("PatternMatchers computes a usual pattern once, and forgets what remembers too much", () => {
  const matchers = new PatternMatchers();
  const uuid = program("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$");
  let spent = 0;
  const charge = (units: number) => void (spent += units);
  const text = "01a22224-c7c8-7e2c-a8be-189bce7e80c7";
  assert.equal(matchers.matches(uuid, text, charge), true);
  matchers.settle();
  const first = spent;
  assert.equal(matchers.matches(uuid, text, charge), true);
  assert.ok(spent - first < 50, `${first}, then ${spent - first}`);
  assert.equal(matchers.matches(uuid, `${text}0`, charge), false);
  assert.equal(matchers.size, 1);
  const states = program("[ab]*a[ab]{9}c");
  let noise = 1;
  const next = () => "ab"[((noise = (Math.imul(noise, 1_103_515_245) + 12_345) >>> 0) >>> 16) & 1];
  matchers.matches(states, Array.from({ length: 4_000 }, next).join(""), charge);
  matchers.settle();
  assert.equal(matchers.size, 0);
  for (let at = 0; at < 60; at++) matchers.matches(program(`${at}`), "x", charge);
  matchers.settle();
  assert.equal(matchers.size, 0);
});

Deno.test("a matcher that was stopped by its charge goes on matching right", () => {
  const matchers = new PatternMatchers();
  const pattern = program("^(a|b)*c{2,3}$");
  for (let most = 0; most < 600; most += 7) {
    let spent = 0;
    try {
      matchers.matches(pattern, "abbacc", (units) => {
        if ((spent += units) > most) throw new Error("stopped");
      });
    } catch (error) {
      assert.equal((error as Error).message, "stopped");
    }
    assert.equal(matchers.matches(pattern, "abbacc", () => {}), true);
    assert.equal(matchers.matches(pattern, "abbac", () => {}), false);
  }
});
