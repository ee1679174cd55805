import assert from "node:assert/strict";
import { EventSplitter, type StreamEvent } from "../event_stream.ts";
import { parseLinkEventId } from "../link_event_id.ts";
import { KEPT_MS, KeptStreams, MAX_KEPT, MAX_KEPT_OF_STREAM } from "./kept_streams.ts";

function setup() {
  let ids = 0;
  const clock = { ms: 0 };
  const streams = new KeptStreams({ newId: () => `s${++ids}`, steadyMs: () => clock.ms });
  const forgotten: string[] = [];
  const opened: ReturnType<KeptStreams["open"]>[] = [];
  const open = (tenant = "acme") => {
    const stream = streams.open({
      ...{ tenant, upstream: "fs", maxKept: MAX_KEPT_OF_STREAM },
      onForgotten: () => forgotten.push(stream.id),
    });
    opened.push(stream);
    return stream;
  };
  const close = () => opened.forEach((stream) => streams.forget(stream));
  return { streams, open, forgotten, clock, close };
}

const never = new AbortController().signal;
const eventsOf = (text: string): StreamEvent[] => new EventSplitter(Infinity).push(text);
const dataOf = async (response: Response | undefined) =>
  eventsOf(await (response ?? assert.fail("Not resumed")).text()).map(({ data }) => data);

Deno.test("a stream is resumed after any of its events, and goes on until it ends", async () => {
  const { open, close } = setup();
  const stream = open();
  const texts = ["a", "b", "c"].map((data) => stream.write(data));
  const ids = texts.map((text) => /^id: (.+)\n/.exec(text)?.[1] ?? "");
  assert.deepEqual(
    ids.map(parseLinkEventId),
    [1, 2, 3].map((number) => ({ upstream: "fs", stream: "s1", number })),
  );
  const resumed = stream.resume(1, never);
  stream.write("d\ne");
  stream.end();
  assert.deepEqual(await dataOf(resumed), ["b", "c", "d\ne"]);
  assert.deepEqual(await dataOf(stream.resume(0, never)), ["a", "b", "c", "d\ne"]);
  assert.deepEqual(await dataOf(stream.resume(4, never)), []);
  assert.equal(stream.resume(5, never), undefined);
  close();
});

Deno.test("the event that only brings an id leads to everything that follows", async () => {
  const { open, close } = setup();
  const stream = open();
  const [priming] = eventsOf(stream.primingEvent());
  assert.deepEqual([priming?.data, priming?.lines[0]], ["", "id: fs.s1.0"]);
  stream.write("a");
  assert.equal(eventsOf(stream.primingEvent())[0]?.lines[0], "id: fs.s1.1");
  stream.end();
  assert.deepEqual(await dataOf(stream.resume(0, never)), ["a"]);
  close();
});

Deno.test("who resumes a stream takes the place of who did before", async () => {
  const { open, close } = setup();
  const stream = open();
  const first = stream.resume(0, never);
  const gone = new AbortController();
  const second = stream.resume(0, gone.signal);
  assert.deepEqual(await dataOf(first), []);
  stream.write("a");
  gone.abort();
  stream.write("b");
  assert.deepEqual(await dataOf(second), ["a"]);
  close();
});

Deno.test("a stream that is too long loses its oldest events, and who needs them cannot resume it", async () => {
  const { open, streams, close } = setup();
  const stream = open();
  for (let n = 0; n < 12; n++) stream.write(String(n).repeat(100_000));
  assert.ok(
    streams.kept <= MAX_KEPT_OF_STREAM && streams.kept > MAX_KEPT_OF_STREAM / 2,
    String(streams.kept),
  );
  assert.equal(stream.resume(0, never), undefined);
  stream.end();
  assert.equal((await dataOf(stream.resume(10, never))).length, 2);
  stream.write("x".repeat(MAX_KEPT_OF_STREAM));
  assert.equal(streams.kept, 0);
  close();
});

Deno.test("a tenant that fills the memory loses its own streams, not those of others", () => {
  const { open, streams, forgotten } = setup();
  const other = open("other");
  other.write("a");
  other.end();
  const opened = [];
  for (let n = 0; n < MAX_KEPT / MAX_KEPT_OF_STREAM + 10; n++) {
    const stream = open();
    opened.push(stream);
    stream.write("x".repeat(MAX_KEPT_OF_STREAM - 200));
    stream.end();
  }
  assert.ok(streams.kept <= MAX_KEPT);
  assert.ok(forgotten.length >= 10 && !forgotten.includes(other.id));
  assert.ok(other.resume(0, never) !== undefined);
  for (const stream of [other, ...opened]) streams.forget(stream);
  assert.equal(streams.kept, 0);
});

Deno.test("many small streams are counted for what they cost", () => {
  const { open, streams } = setup();
  const opened = Array.from({ length: 100 }, () => open());
  for (const stream of opened) stream.write("x");
  assert.ok(streams.kept > 100 * 1_200, String(streams.kept));
  for (const stream of opened) streams.forget(stream);
  assert.equal(streams.kept, 0);
});

Deno.test("a stream is forgotten some time after its end, and keeps nothing after that", async () => {
  using time = new FakeInterval();
  const { open, streams, forgotten, clock } = setup();
  const [early, late] = [open(), open()];
  for (const stream of [early, late]) stream.write("a");
  early.end();
  clock.ms = KEPT_MS;
  late.end();
  time.tick();
  assert.deepEqual(forgotten, []);
  clock.ms++;
  time.tick();
  assert.deepEqual(forgotten, [early.id]);
  assert.equal(early.resume(0, never), undefined);
  assert.deepEqual(await dataOf(late.resume(0, never)), ["a"]);
  streams.forget(late);
  late.write("b");
  assert.equal(streams.kept, 0);
  assert.equal(time.running, 0);
});

/** Runs intervals when told, and counts them. */
class FakeInterval {
  readonly #real = [globalThis.setInterval, globalThis.clearInterval] as const;
  readonly #work = new Map<number, () => void>();

  constructor() {
    let ids = 0;
    const set = (work: () => void) => {
      this.#work.set(++ids, work);
      return ids;
    };
    Object.assign(globalThis, { setInterval: set, clearInterval: (id: number) => this.#work.delete(id) });
  }

  get running(): number {
    return this.#work.size;
  }

  tick(): void {
    for (const work of [...this.#work.values()]) work();
  }

  [Symbol.dispose](): void {
    const [setInterval, clearInterval] = this.#real;
    Object.assign(globalThis, { setInterval, clearInterval });
  }
}
