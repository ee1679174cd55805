import assert from "node:assert/strict";
import {
  MAX_PINS_PER_UPSTREAM,
  type PinMode,
  pinOf,
  type PinRow,
  planPins,
  type SeenTool,
} from "./tool_pin.ts";

const seen = (name: string, digest: string): SeenTool => ({ name, digest, definition: `{"name":"${name}"}` });
const row = (name: string, digest: string | undefined, changes: Partial<PinRow> = {}): PinRow => ({
  ...{ name, digest, isBlocked: false, isListed: true },
  ...changes,
});
const rowsOf = (...rows: PinRow[]) => new Map(rows.map((one) => [one.name, one]));
const modes = (toolChanges: PinMode, newTools: PinMode = toolChanges) => ({ toolChanges, newTools });
const never = () => false;

Deno.test("planPins() trusts what the first reading shows, except what has no honest use", () => {
  const tools = [seen("a", "1"), seen("odd", "2")];
  const isOdd = ({ name }: SeenTool) => name === "odd";
  const names = (mode: PinMode) => {
    const plan = planPins(new Map(), true, tools, modes(mode), isOdd);
    return [plan?.trusted.map(({ name }) => name), plan?.candidates.map(({ name }) => name)];
  };
  assert.deepEqual(names("quarantine"), [["a"], ["odd"]]);
  assert.deepEqual(names("observe"), [["a", "odd"], []]);
  assert.deepEqual(names("allow"), [["a", "odd"], []]);
});

Deno.test("planPins() has nothing to say about a reading that the pins hold already", () => {
  const rows = rowsOf(
    row("a", "1"),
    row("b", "1", { candidate: "2" }),
    row("c", undefined, { candidate: "3" }),
  );
  const tools = [seen("a", "1"), seen("b", "2"), seen("c", "3")];
  assert.equal(planPins(rows, false, tools, modes("quarantine"), never), undefined);
  assert.equal(planPins(new Map(), true, [], modes("quarantine"), never), undefined);
});

Deno.test("planPins() keeps the pin of a changed tool and remembers what it became; allow pins it again", () => {
  const rows = rowsOf(row("a", "1"));
  for (const mode of ["quarantine", "observe"] as const) {
    const plan = planPins(rows, false, [seen("a", "2"), seen("n", "3")], modes(mode), never);
    assert.deepEqual(plan?.candidates.map(({ name, digest }) => name + digest), ["a2", "n3"]);
    assert.deepEqual(plan?.trusted, []);
  }
  const plan = planPins(rows, false, [seen("a", "2"), seen("n", "3")], modes("allow"), never);
  assert.deepEqual(plan?.trusted.map(({ name, digest }) => name + digest), ["a2", "n3"]);
  const mixed = planPins(rows, false, [seen("a", "2"), seen("n", "3")], modes("allow", "quarantine"), never);
  assert.deepEqual([mixed?.trusted[0]?.name, mixed?.candidates[0]?.name], ["a", "n"]);
});

Deno.test("planPins() settles a tool that is its pinned self again", () => {
  const rows = rowsOf(row("a", "1", { candidate: "2" }), row("b", "1", { isListed: false }));
  const plan = planPins(rows, false, [seen("a", "1"), seen("b", "1")], modes("quarantine"), never);
  assert.deepEqual(plan?.settled, ["a", "b"]);
});

Deno.test("planPins() keeps pins and blocks of removed tools and forgets what was never pinned", () => {
  const rows = rowsOf(
    row("pinned", "1"),
    row("gone", "1", { isListed: false }),
    row("new", undefined, { candidate: "2" }),
    row("blocked", undefined, { candidate: "2", isBlocked: true }),
  );
  const plan = planPins(rows, false, [], modes("quarantine"), never);
  assert.deepEqual(plan?.missing, ["pinned", "blocked"]);
  assert.deepEqual(plan?.forgotten, ["new"]);
});

Deno.test("planPins() never trusts a blocked tool again", () => {
  const rows = rowsOf(row("a", "1", { isBlocked: true }));
  const plan = planPins(rows, false, [seen("a", "2")], modes("allow"), never);
  assert.deepEqual([plan?.trusted.length, plan?.candidates.length], [0, 1]);
});

Deno.test("planPins() records only so many tools of one upstream", () => {
  const rows = rowsOf(
    ...Array.from({ length: MAX_PINS_PER_UPSTREAM - 1 }, (_, at) => row(`t${at}`, "1", { isListed: false })),
  );
  const plan = planPins(rows, false, [seen("x", "1"), seen("y", "1")], modes("allow"), never);
  assert.deepEqual(plan?.trusted.map(({ name }) => name), ["x"]);
});

Deno.test("pinOf() holds what differs, unless it is observed and recorded", () => {
  const changed = row("a", "1", { candidate: "2" });
  assert.deepEqual(pinOf(changed, "1", modes("quarantine")), {
    ...{ state: "pinned", digest: "1", seen: "1", isHeld: false },
  });
  const held = (one: PinRow | undefined, digest: string, mode: PinMode) => {
    const { state, isHeld } = pinOf(one, digest, modes(mode));
    return `${state} ${isHeld ? "held" : "passes"}`;
  };
  assert.equal(held(changed, "2", "quarantine"), "changed held");
  assert.equal(held(changed, "2", "allow"), "changed held");
  assert.equal(held(changed, "2", "observe"), "changed passes");
  assert.equal(held(changed, "3", "observe"), "changed held");
  assert.equal(held(row("n", undefined, { candidate: "2" }), "2", "observe"), "new passes");
  assert.equal(held(row("n", undefined, { candidate: "2" }), "2", "quarantine"), "new held");
  for (const mode of ["observe", "quarantine", "allow"] as const) {
    assert.equal(held(undefined, "1", mode), "new held");
    assert.equal(held(row("b", "1", { isBlocked: true }), "1", mode), "blocked held");
  }
});
