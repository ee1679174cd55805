import assert from "node:assert/strict";
import { createAdmissions, Overloaded, type Visit } from "./admission.ts";

const REQUEST = new Request("http://localhost/");

const overloaded = (reason: string) => (error: unknown) =>
  error instanceof Overloaded && error.reason === reason;

function arriveUntilRefused(arrive: () => Visit): Visit[] {
  const inside: Visit[] = [];
  for (;;) {
    let visit: Visit | undefined;
    try {
      visit = arrive();
      if (visit.decide() !== undefined) throw new Overloaded("deciding");
      inside.push(visit);
    } catch (error) {
      assert.ok(error instanceof Overloaded);
      visit?.end(503);
      return inside;
    }
  }
}

Deno.test("arrive() refuses at the door while as many are decided and wait as may, and lets others in afterwards", async () => {
  const refused: string[] = [];
  const onRefused = (reason: string) => refused.push(reason);
  const door = createAdmissions({ maxDeciding: 16, maxWaiting: 8, onRefused });
  const inside = Array.from({ length: 21 }, () => door.arrive(REQUEST, undefined, "192.0.2.1"));
  const turns = inside.map((visit) => visit.decide());
  assert.deepEqual(turns.map((turn) => turn === undefined), [
    ...Array(14).fill(true),
    ...Array(7).fill(false),
  ]);
  assert.equal(door.deciding(), 21);
  assert.throws(() => door.arrive(REQUEST, undefined, "192.0.2.1"), overloaded("deciding"));
  assert.deepEqual(refused, ["deciding"]);
  inside[0]?.decided();
  door.arrive(REQUEST, undefined, "192.0.2.1").end(200);
  for (const visit of inside) visit.end(200);
  await Promise.all(turns);
  for (const visit of inside) visit.end(200);
  assert.deepEqual([door.reading(), door.deciding()], [0, 0]);
});

Deno.test("who waits is refused after a second, though nobody leaves", async () => {
  const door = createAdmissions({ maxDeciding: 1, maxWaiting: 4 });
  const [holder, ...waiting] = [1, 2, 3].map(() => door.arrive(REQUEST, "token", "192.0.2.1"));
  assert.equal(holder?.decide(), undefined);
  const startedMs = performance.now();
  const turns = await Promise.allSettled(waiting.map((visit) => visit.decide()));
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs > 900 && tookMs < 2_000, `${tookMs}`);
  for (const turn of turns) assert.ok(turn.status === "rejected" && overloaded("deciding")(turn.reason));
  for (const visit of waiting) visit.end(503);
  assert.deepEqual([door.reading(), door.deciding()], [0, 1]);
  holder?.end(200);
});

Deno.test("leaveFor() lets others in while an upstream is read, and takes a place again after", async () => {
  const door = createAdmissions({ maxDeciding: 1, maxWaiting: 1 });
  const visit = () => door.arrive(REQUEST, "token", "192.0.2.1");
  const [first, second, third] = [visit(), visit(), visit()];
  const reading = Promise.withResolvers<string>();
  first.decide();
  const left = first.leaveFor(reading.promise);
  assert.equal(second.decide(), undefined);
  const turn = third.decide();
  reading.resolve("read");
  // The place is taken, and who waits for it is as many as may.
  await assert.rejects(left, overloaded("deciding"));
  second.end(200);
  await turn;
  third.end(200);
  assert.equal(first.decide(), undefined);
  assert.equal(await first.leaveFor(Promise.resolve("read")), "read");
  assert.equal(door.deciding(), 1);
  const failing = first.leaveFor(Promise.reject(new TypeError("no upstream")));
  await assert.rejects(failing, TypeError);
  assert.equal(door.deciding(), 1);
  // Who does not wait for the reading any more takes no place when it ends.
  const late = first.leaveFor(new Promise((resolve) => setTimeout(resolve, 10)));
  first.end(200);
  await late;
  assert.deepEqual([door.reading(), door.deciding()], [0, 0]);
});

Deno.test("decide() calls in who waits, one party after the other, and refuses who waited too long", async () => {
  const door = createAdmissions({ maxDeciding: 1, maxWaiting: 16 });
  const order: string[] = [];
  const enter = async (name: string) => {
    const visit = door.arrive(REQUEST, name, "192.0.2.1");
    visit.isOf(name.split(" ")[0] ?? "");
    await visit.decide();
    order.push(name);
    return visit;
  };
  let current = await enter("loud 0");
  const waiting = ["loud 1", "loud 2", "loud 3", "quiet 1", "other 1", "quiet 2"].map(enter);
  for (const next of [0, 3, 4, 1, 5, 2]) {
    current.end(200);
    current = await waiting[next]!;
  }
  assert.deepEqual(order, ["loud 0", "loud 1", "quiet 1", "other 1", "loud 2", "quiet 2", "loud 3"]);
  const late = enter("loud 4");
  late.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  const young = enter("loud 5");
  current.end(200);
  await assert.rejects(late, overloaded("deciding"));
  (await young).end(200);
  assert.deepEqual([door.reading(), door.deciding()], [0, 0]);
});

Deno.test("a tenant known by its token keeps a share while strangers flood, and strangers while a tenant does", () => {
  const door = createAdmissions({ maxDeciding: 16, maxWaiting: 1 });
  const first = door.arrive(REQUEST, "quiet's token", "192.0.2.1");
  first.isOf("quiet");
  first.end(200);
  const strangers = arriveUntilRefused(() => door.arrive(REQUEST, "made up", "198.51.100.1"));
  assert.equal(strangers.length, 14);
  const quiet = door.arrive(REQUEST, "quiet's token", "192.0.2.1");
  quiet.decide();
  assert.equal(quiet.decide(), undefined);
  for (const visit of [quiet, ...strangers]) visit.end(200);
  const flood = arriveUntilRefused(() => door.arrive(REQUEST, "quiet's token", "192.0.2.1"));
  assert.ok(flood.length >= 13, "a waiting stranger was called in");
  door.arrive(REQUEST, undefined, "198.51.100.1").decide();
  for (const visit of flood) visit.end(200); // calls in who still waits
});

Deno.test("a tenant with ever new tokens gets no more than its share", () => {
  const door = createAdmissions({ maxDeciding: 16, maxWaiting: 1 });
  let token = 0;
  const flood = arriveUntilRefused(() => {
    const visit = door.arrive(REQUEST, `token ${token++}`, "192.0.2.1");
    visit.decide();
    visit.isOf("loud");
    return visit;
  });
  assert.ok(flood.length <= 14, `${flood.length}`);
  const other = door.arrive(REQUEST, "another's", "192.0.2.2");
  other.decide();
  other.isOf("quiet");
});

Deno.test("one IPv6 network is one party among strangers, and other addresses still get in", () => {
  const door = createAdmissions({ maxDeciding: 64, maxReading: 16 });
  const held: Visit[] = [];
  assert.throws(() => {
    for (let host = 1;; host++) {
      held.push(door.arrive(REQUEST, undefined, `2001:db8:0:1::${host.toString(16)}`));
    }
  }, overloaded("reading"));
  assert.equal(held.length, 14);
  held.pop()?.end(200);
  const elsewhere = ["2001:db8:0:2::1", "192.0.2.1"].map((address) => {
    held.pop()?.end(200);
    return door.arrive(REQUEST, undefined, address);
  });
  assert.equal(elsewhere.length, 2);
});

Deno.test("a token that was refused is forgotten: its holder is a stranger again", () => {
  const door = createAdmissions({ maxDeciding: 16, maxWaiting: 1 });
  const first = door.arrive(REQUEST, "token", "192.0.2.1");
  first.isOf("acme");
  first.end(200);
  door.arrive(REQUEST, "token", "192.0.2.1").end(401);
  const strangers = arriveUntilRefused(() => door.arrive(REQUEST, undefined, "192.0.2.1"));
  assert.throws(() => door.arrive(REQUEST, "token", "192.0.2.1"), overloaded("deciding"));
  assert.equal(strangers.length, 14);
  for (const visit of strangers) visit.end(200); // calls in who still waits
});

Deno.test("takeLargeBody() and openStream() have bounds of their own, given back once", () => {
  const door = createAdmissions({ maxDeciding: 64, maxLargeBodies: 8, maxStreams: 8 });
  const visits = Array.from({ length: 8 }, (_, index) => door.arrive(REQUEST, `token ${index}`, "192.0.2.1"));
  const last = visits.pop();
  for (const visit of visits) {
    visit.isOf("acme");
    visit.takeLargeBody();
    visit.takeLargeBody();
  }
  last?.isOf("acme");
  assert.throws(() => last?.takeLargeBody(), overloaded("large_bodies"));
  const closes = visits.map((visit) => visit.openStream());
  assert.throws(() => last?.openStream(), overloaded("streams"));
  for (const visit of visits) visit.end(200);
  for (const close of [...closes, ...closes]) close();
  last?.takeLargeBody();
  last?.openStream()();
  last?.end(200);
  assert.deepEqual([door.reading(), door.deciding()], [0, 0]);
});
