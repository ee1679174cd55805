import assert from "node:assert/strict";
import { createSessions, isOwnSession, type Session } from "./sessions.ts";

const makeKey = () =>
  crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
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
  const key = await makeKey();
  const id = await createSessions(key, () => 0).seal(session);
  assert.match(id, /^[\x21-\x7e]+$/);
  assert.ok(
    !id.includes("secret") && !atob(id.slice(5).replaceAll("-", "+").replaceAll("_", "/")).includes("secret"),
  );
  assert.deepEqual(await createSessions(key, () => 0).open(id), session);
  assert.equal(await createSessions(await makeKey(), () => 0).open(id), undefined);
});

Deno.test("sessions end at their time, also opened ones", async () => {
  let nowMs = 999_999;
  const sessions = createSessions(await makeKey(), () => nowMs);
  const id = await sessions.seal(session);
  assert.deepEqual(await sessions.open(id), session);
  nowMs = 1_000_000;
  assert.equal(await sessions.open(id), undefined);
});

Deno.test("sessions refuse every change of one character", async () => {
  const sessions = createSessions(await makeKey(), () => 0);
  const id = await sessions.seal(session);
  for (let at = 0; at < id.length - 1; at++) {
    const changed = id.slice(0, at) + (id[at] === "A" ? "B" : "A") + id.slice(at + 1);
    assert.equal(await sessions.open(changed), undefined, `character ${at}`);
  }
  for (const wrong of ["", "igs1.", "igs1.!!", id.slice(0, -3), "igs1." + "A".repeat(10_000)]) {
    assert.equal(await sessions.open(wrong), undefined);
  }
});

Deno.test("isOwnSession() wants the same upstream, tenant, agent and root block", () => {
  const own = { tenant: "t", agent: "a", rootBlockId: "r", expiresAt: 1 };
  assert.equal(isOwnSession(session, "acme", own), true);
  assert.equal(isOwnSession(session, "other", own), false);
  for (const change of [{ tenant: "x" }, { agent: "x" }, { rootBlockId: "x" }]) {
    assert.equal(isOwnSession(session, "acme", { ...own, ...change }), false);
  }
});
