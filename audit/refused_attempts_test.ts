import assert from "node:assert/strict";
import { type AuditEntry, UNVERIFIED_CHAIN } from "../core/audit_entry.ts";
import { createRefusedAttempts, type RefusedAttempt } from "./refused_attempts.ts";

const LOGIN = "operator_unauthenticated";
const source = { logId: "log", version: "0", replicaId: "r", configDigest: "c" };
const attempt = (overrides: Partial<RefusedAttempt> = {}): RefusedAttempt => ({
  decisionId: "d",
  code: "invalid_token",
  method: "tools/call",
  upstream: "acme",
  sourceIp: "10.0.0.1",
  timeMs: 1000,
  ...overrides,
});

function recorder(fail = () => false) {
  const entries: AuditEntry[] = [];
  let id = 0;
  const attempts = createRefusedAttempts({
    source,
    settingsVersion: () => 1,
    newId: () => `e${++id}`,
    append: (entry) => {
      if (fail()) return Promise.reject(new Error("down"));
      entries.push(entry);
      return Promise.resolve("recorded");
    },
    onError: () => {},
    windowMs: 60_000,
    maxGroups: 3,
  });
  const counts = () => entries.map((entry) => JSON.parse(entry.canonical).count);
  return { attempts, entries, counts };
}

Deno.test("equal refusals become one event with a count and a time span", async () => {
  const { attempts, entries } = recorder();
  for (let index = 0; index < 500; index++) attempts.record(attempt({ timeMs: 1000 + index }));
  attempts.record(attempt({ code: "missing_token" }));
  await attempts.close();
  assert.equal(entries.length, 2);
  assert.equal(entries[0]?.chain, UNVERIFIED_CHAIN);
  const event = JSON.parse(entries[0]?.canonical ?? "");
  assert.deepEqual([event.count, event.start_time, event.end_time], [500, 1000, 1499]);
});

Deno.test("a flood from many addresses stays within the bound and loses no count", async () => {
  const { attempts, counts } = recorder();
  for (let index = 0; index < 1000; index++) attempts.record(attempt({ sourceIp: `10.0.0.${index}` }));
  await attempts.close();
  assert.equal(counts().length, 4);
  assert.equal(counts().reduce((sum, count) => sum + count, 0), 1000);
});

Deno.test("a flood of invented methods and upstreams from one address is one event, marked as mixed", async () => {
  const { attempts, entries } = recorder();
  for (let index = 0; index < 1000; index++) {
    attempts.record(attempt({ method: `m${index}`, upstream: `u${index}` }));
  }
  await attempts.close();
  const [event] = entries.map((entry) => JSON.parse(entry.canonical));
  assert.deepEqual([entries.length, event.count, event.unmapped.mixed], [1, 1000, true]);
});

Deno.test("counts survive a database that is away", async () => {
  let down = true;
  const { attempts, counts } = recorder(() => down);
  attempts.record(attempt());
  attempts.record(attempt());
  assert.equal(attempts.waiting(), 1);
  const flushing = attempts.flush();
  assert.equal(attempts.waiting(), 1, "an event under way still waits");
  await flushing;
  attempts.record(attempt());
  assert.equal(attempts.waiting(), 1);
  down = false;
  await attempts.close();
  assert.equal(attempts.waiting(), 0);
  assert.deepEqual(counts(), [3]);
});

Deno.test("while events are only kept, refusals are gathered for longer and longer, and shortly again afterwards", async () => {
  let answer: "recorded" | "kept" = "kept";
  const times: number[] = [];
  const attempts = createRefusedAttempts({
    ...{
      source,
      settingsVersion: () => 1,
      newId: () => "e",
      onError: () => {},
      windowMs: 10,
      maxWindowMs: 300,
    },
    append: () => {
      times.push(performance.now());
      attempts.record(attempt());
      return Promise.resolve(answer);
    },
  });
  attempts.record(attempt());
  while (times.length < 8) await new Promise((resolve) => setTimeout(resolve, 5));
  const waits = times.map((time, index) => time - (times[index - 1] ?? time)).slice(1);
  for (const [index, least] of [10, 20, 40, 80, 160, 300, 300].entries()) {
    assert.ok(waits[index]! > least - 8, `${waits}`);
  }
  answer = "recorded";
  while (times.length < 11) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.ok(times[10]! - times[9]! < 200, `${times}`);
  await attempts.close();
});

Deno.test("failed logins are events of their own class, also when there are too many different ones", async () => {
  const { attempts, entries } = recorder();
  for (let index = 0; index < 8; index++) {
    attempts.record(
      attempt({ sourceIp: `10.0.0.${index}`, code: index % 2 === 0 ? "invalid_token" : LOGIN }),
    );
  }
  await attempts.close();
  const events = entries.map(({ canonical }) => JSON.parse(canonical));
  assert.deepEqual(
    events.map((event) => [event.class_uid, event.metadata.event_code, event.status_code, event.count]),
    [
      [6003, "attempt.refused", "invalid_token", 1],
      [3002, "login.failed", LOGIN, 1],
      [6003, "attempt.refused", "invalid_token", 1],
      [3002, "login.failed", LOGIN, 3],
      [6003, "attempt.refused", "invalid_token", 2],
    ],
  );
  assert.deepEqual(events.map(({ unmapped }) => unmapped.mixed), [false, false, false, true, true]);
});
