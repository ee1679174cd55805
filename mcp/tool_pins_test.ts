import assert from "node:assert/strict";
import type { PinMode, PinPlan, SeenTool } from "../core/tool_pin.ts";
import { createToolPins, type KeptPin, type PinStore, type UpstreamPins } from "./tool_pins.ts";

const seen = (name: string, digest: string, more: object = {}): SeenTool => ({
  ...{ name, digest, definition: JSON.stringify({ name, annotations: { title: digest }, ...more }) },
});
const HIDDEN = { description: `Fine${String.fromCodePoint(0xe006f)}` };

/** The database's side as replicas share it: rows of one upstream, and a version that grows. */
class SharedPins implements PinStore {
  version = 0;
  pins = new Map<string, KeptPin>();
  reads = 0;
  writes: PinPlan[] = [];
  failure: Error | undefined;
  /** Called once, when a reading of the pins is under way. */
  meanwhile: (() => void | Promise<void>) | undefined;

  async read(): Promise<UpstreamPins> {
    this.reads++;
    if (this.failure !== undefined) throw this.failure;
    const now = this.#now();
    const meanwhile = this.meanwhile;
    this.meanwhile = undefined;
    await meanwhile?.();
    return now;
  }

  versions(): Promise<ReadonlyMap<string, number>> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve(this.version === 0 ? new Map() : new Map([["acme", this.version]]));
  }

  record(
    _upstream: string,
    tools: readonly SeenTool[],
    makePlan: (now: UpstreamPins) => PinPlan | undefined,
  ): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const plan = makePlan(this.#now());
    if (plan === undefined) return Promise.resolve();
    this.writes.push(plan);
    for (const { name, digest, definition } of plan.trusted) this.change(name, { digest, definition });
    for (const { name, digest: candidate } of plan.candidates) this.change(name, { candidate });
    for (const name of plan.settled) this.change(name, { candidate: undefined });
    for (const name of plan.missing) this.change(name, { isListed: false });
    for (const name of plan.forgotten) this.pins.delete(name);
    this.version += tools.length === 0 ? 0 : 1;
    return Promise.resolve();
  }

  /** What an operator at any replica does. */
  change(name: string, changes: Partial<KeptPin>): void {
    const before = this.pins.get(name) ?? { name, isBlocked: false, isListed: true };
    this.pins.set(name, { ...before, ...changes });
    this.version++;
  }

  #now(): UpstreamPins {
    return { version: this.version, pins: [...this.pins.values()].map((pin) => ({ ...pin })) };
  }
}

function replicaOf(store: SharedPins, toolChanges: PinMode = "quarantine", newTools: PinMode = toolChanges) {
  const errors: string[] = [];
  const changes: string[] = [];
  const clock = { nowMs: 0 };
  const pins = createToolPins({
    store,
    steadyMs: () => clock.nowMs,
    modesOf: () => ({ toolChanges, newTools }),
    onError: (upstream, error) => errors.push(`${upstream}: ${error instanceof Error && error.message}`),
  });
  pins.onChange((upstream) => changes.push(upstream));
  return { pins, errors, changes, clock };
}

Deno.test("observe() trusts the first reading, but for what has no honest use, and holds what comes later", async () => {
  const store = new SharedPins();
  const { pins, changes } = replicaOf(store);
  assert.equal(pins.book("acme"), undefined);
  const first = await pins.observe("acme", [seen("pay", "1"), seen("odd", "1", HIDDEN)]);
  assert.deepEqual([first.pinOf("pay", "1").isHeld, first.pinOf("odd", "1").isHeld], [false, true]);
  assert.equal(pins.book("acme"), first);
  assert.equal(changes.at(-1), "acme");
  const later = await pins.observe("acme", [seen("pay", "2"), seen("odd", "1", HIDDEN), seen("new", "1")]);
  assert.deepEqual(later.pinOf("pay", "2"), { state: "changed", digest: "1", seen: "2", isHeld: true });
  assert.deepEqual(later.pinOf("new", "1"), { state: "new", seen: "1", isHeld: true });
  assert.deepEqual(later.pinnedAnnotations("pay"), { title: "1" }, "not what it claims now");
  assert.deepEqual([later.pinnedAnnotations("new"), later.pinnedAnnotations("none")], [undefined, undefined]);
  // Books do not change under those who hold one.
  assert.equal(first.pinOf("pay", "1").state, "pinned");
});

Deno.test("observe() writes and reads nothing while the upstream shows what the pins hold", async () => {
  const store = new SharedPins();
  const { pins, changes } = replicaOf(store);
  const book = await pins.observe("acme", [seen("pay", "1")]);
  const [reads, told] = [store.reads, changes.length];
  for (let n = 0; n < 3; n++) assert.equal(await pins.observe("acme", [seen("pay", "1")]), book);
  assert.deepEqual([store.reads, store.writes.length, changes.length], [reads, 1, told]);
});

Deno.test("of two replicas that read an upstream at once, one pins it and both have its pins", async () => {
  const store = new SharedPins();
  const [one, two] = [replicaOf(store), replicaOf(store)];
  // The second one's reading began when nothing was pinned, and the upstream showed it something else.
  store.meanwhile = async () => void await one.pins.observe("acme", [seen("pay", "1")]);
  const late = await two.pins.observe("acme", [seen("pay", "evil")]);
  assert.equal(late.pinOf("pay", "evil").isHeld, true, "it is no longer the first reading");
  assert.equal(late.pinOf("pay", "1").isHeld, false);
  assert.deepEqual(store.writes.map(({ trusted }) => trusted.length), [1, 0]);
});

Deno.test("refresh() brings what an operator did at another replica, and tells who listens", async () => {
  const store = new SharedPins();
  const { pins, changes } = replicaOf(store);
  await pins.refresh();
  assert.equal(store.reads, 0, "nothing of an upstream that was never read");
  await pins.observe("acme", [seen("pay", "1"), seen("new", "1")]);
  await pins.observe("acme", [seen("pay", "2"), seen("new", "1")]);
  const told = changes.length;
  store.change("new", { isBlocked: true });
  store.change("pay", { digest: "2", candidate: undefined });
  assert.equal(pins.book("acme")?.pinOf("new", "1").isHeld, false, "not known here yet");
  await pins.refresh();
  assert.deepEqual(pins.book("acme")?.pinOf("new", "1"), {
    ...{ state: "blocked", digest: "1", seen: "1", isHeld: true },
  });
  assert.equal(pins.book("acme")?.pinOf("pay", "2").state, "pinned");
  assert.equal(changes.length, told + 1);
  const { reads } = store;
  await pins.refresh();
  assert.equal(store.reads, reads, "the same version is not read again");
});

Deno.test("an older answer of the database never replaces a newer book", async () => {
  const store = new SharedPins();
  const { pins } = replicaOf(store);
  await pins.observe("acme", [seen("pay", "1")]);
  store.change("other", { digest: "1" });
  // While that version is read, the tool is blocked, and another reading sees it.
  store.meanwhile = async () => {
    store.change("pay", { isBlocked: true });
    await pins.refresh();
  };
  await pins.refresh();
  assert.equal(pins.book("acme")?.pinOf("pay", "1").state, "blocked");
});

Deno.test("what cannot be recorded is held, and on first use nothing is usable", async () => {
  const store = new SharedPins();
  const { pins, errors } = replicaOf(store, "allow");
  store.failure = new Error("away");
  await assert.rejects(pins.observe("acme", [seen("pay", "1")]), /away/);
  assert.equal(pins.book("acme"), undefined);
  store.failure = undefined;
  await pins.observe("acme", [seen("pay", "1")]);
  store.failure = new Error("away again");
  const book = await pins.observe("acme", [seen("pay", "2"), seen("new", "1")]);
  // Even where changes and new tools are let pass: first the record, then the call.
  assert.deepEqual(
    ["pay", "new"].map((name) => book.pinOf(name, name === "pay" ? "2" : "1").isHeld),
    [true, true],
  );
  assert.equal(book.pinOf("pay", "1").isHeld, false);
  assert.deepEqual(errors, ["acme: away again"]);
  await assert.rejects(pins.refresh(), /away again/);
  assert.equal(pins.book("acme"), book, "the last known pins stay in force");
  store.failure = undefined;
  const known = await pins.observe("acme", [seen("pay", "2"), seen("new", "1")]);
  assert.deepEqual([known.pinOf("pay", "2").state, known.pinOf("new", "1").state], ["pinned", "pinned"]);
});

Deno.test("observe lets a change pass only once it is recorded, and says so", async () => {
  const store = new SharedPins();
  const { pins } = replicaOf(store, "observe");
  await pins.observe("acme", [seen("pay", "1")]);
  const book = await pins.observe("acme", [seen("pay", "2")]);
  assert.deepEqual(book.pinOf("pay", "2"), { state: "changed", digest: "1", seen: "2", isHeld: false });
  assert.equal(book.pinOf("pay", "3").isHeld, true, "this one nobody has recorded");
});

Deno.test("a first reading of many long definitions is looked through in slices, before the pins are locked", async () => {
  const store = new SharedPins();
  const { pins } = replicaOf(store);
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const record = store.record.bind(store);
  let turnsBefore = 0;
  store.record = (...written) => {
    turnsBefore = turns;
    return record(...written);
  };
  const long = { inputSchema: { examples: Array.from({ length: 6 }, () => "<!--".repeat(5_000)) } };
  const tools = Array.from(
    { length: 200 },
    (_, at) => seen(`t${at}`, "1", at === 199 ? { ...HIDDEN, ...long } : long),
  );
  const book = await pins.observe("acme", tools);
  clearInterval(timer);
  assert.ok(turnsBefore > 1, `${turnsBefore} turns of others`);
  assert.deepEqual([book.pinOf("t0", "1").isHeld, book.pinOf("t199", "1").isHeld], [false, true]);
});

Deno.test("an upstream that never shows the same twice cannot fill the record; what is not recorded is held", async () => {
  const store = new SharedPins();
  const { pins, clock } = replicaOf(store);
  let digest = 0;
  const observe = () => pins.observe("acme", [seen("pay", String(++digest))]);
  for (let n = 0; n < 100; n++) await observe();
  assert.equal(store.writes.length, 11); // the first reading, and ten changes
  assert.equal((await observe()).pinOf("pay", String(digest)).isHeld, true);
  clock.nowMs = 60_000;
  for (let n = 0; n < 10; n++) await observe();
  assert.equal(store.writes.length, 12);
  clock.nowMs = 3_600_000;
  await observe();
  assert.equal(store.writes.length, 13);
});
