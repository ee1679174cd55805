import assert from "node:assert/strict";
import { createSessions, isOwnSession, type Session, type SessionKeys } from "./sessions.ts";

async function makeKeys(...kids: readonly [string, ...string[]]): Promise<SessionKeys> {
  const keys = new Map<string, CryptoKey>();
  for (const kid of kids) {
    keys.set(
      kid,
      await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]),
    );
  }
  return { active: kids[0], keys };
}

const session: Session = {
  upstream: "acme",
  upstreamSessionId: "secret-of-the-upstream",
  tenant: "t",
  agent: "a",
  rootBlockId: "r",
  expiresAt: 1_000,
  protocolVersion: "2025-11-25",
};

Deno.test("sessions open on every replica that has the key, and nowhere else", async () => {
  const keys = await makeKeys("k1");
  const id = await createSessions(keys, () => 0).seal(session);
  assert.match(id, /^[\x21-\x7e]+$/);
  assert.ok(
    !id.includes("secret") &&
      !atob(id.slice("igs1.k1.".length).replaceAll("-", "+").replaceAll("_", "/")).includes("secret"),
  );
  assert.deepEqual(await createSessions(keys, () => 0).open(id), session);
  assert.equal(await createSessions(await makeKeys("k1"), () => 0).open(id), undefined);
});

Deno.test("sessions end at their time, also opened ones", async () => {
  let nowMs = 999_999;
  const sessions = createSessions(await makeKeys("k1"), () => nowMs);
  const id = await sessions.seal(session);
  assert.deepEqual(await sessions.open(id), session);
  nowMs = 1_000_000;
  assert.equal(await sessions.open(id), undefined);
});

Deno.test("sessions refuse every change of one character", async () => {
  const sessions = createSessions(await makeKeys("k1"), () => 0);
  const id = await sessions.seal(session);
  for (let at = 0; at < id.length - 1; at++) {
    const changed = id.slice(0, at) + (id[at] === "A" ? "B" : "A") + id.slice(at + 1);
    assert.equal(await sessions.open(changed), undefined, `character ${at}`);
  }
  for (
    const wrong of [
      "",
      "igs1.",
      "igs1.k1.",
      "igs1.k1.!!",
      `${id}.`,
      `${id}.${id}`,
      id.replace(".k1.", "."),
      id.slice(0, -3),
      "igs1." + "A".repeat(10_000),
    ]
  ) {
    assert.equal(await sessions.open(wrong), undefined);
  }
});

Deno.test("isOwnSession() wants the same upstream, tenant, agent and root block", () => {
  const own = { tenant: "t", agent: "a", rootBlockId: "r", blockIds: ["r", "c"], expiresAt: 1 };
  assert.equal(isOwnSession(session, "acme", own), true);
  assert.equal(isOwnSession(session, "other", own), false);
  for (const change of [{ tenant: "x" }, { agent: "x" }, { rootBlockId: "x" }]) {
    assert.equal(isOwnSession(session, "acme", { ...own, ...change }), false);
  }
});

Deno.test("sessions open under every key of the ring, new ones are sealed under the active one", async () => {
  const before = await makeKeys("k1");
  const id = await createSessions(before, () => 0).seal(session);
  const both: SessionKeys = { active: "k2", keys: new Map([...before.keys, ...(await makeKeys("k2")).keys]) };
  const after = createSessions(both, () => 0);
  assert.deepEqual(await after.open(id), session);
  const next = await after.seal(session);
  assert.match(next, /^igs1\.k2\./);
  assert.equal(await createSessions(before, () => 0).open(next), undefined);
  assert.equal(await after.open(next.replace(".k2.", ".k1.")), undefined);
  const retired = createSessions({ active: "k2", keys: new Map([...both.keys].slice(1)) }, () => 0);
  assert.equal(await retired.open(id), undefined);
  assert.throws(() => createSessions({ active: "k3", keys: both.keys }, () => 0), /session key "k3"/);
});
