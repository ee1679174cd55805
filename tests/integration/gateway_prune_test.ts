/** Two operators prune the record of a running gateway; an auditor checks what is left. */
import assert from "node:assert/strict";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests, type DatabaseFixture } from "./databases.ts";
import { start } from "./gateways.ts";

const { testPostgres } = createDatabaseTests();
const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);

interface Ran {
  readonly code: number;
  readonly out: string;
}
type Run = (...args: readonly string[]) => Promise<Ran>;

async function ranBy(command: string, args: readonly string[], options: Deno.CommandOptions): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(command, { ...options, args: [...args] }).output();
  return { code, out: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** Runs commands as an admin with a name. */
async function admin(gateway: GatewayProcess, folder: string, id: string): Promise<Run> {
  const body = { id, role: "admin", tenants: ["acme"], ttl_seconds: 600 };
  const made = await (await gateway.api("POST", "/api/v1/operators", body)).json();
  const env = { INTENTGATE_URL: gateway.adminUrl, INTENTGATE_OPERATOR_TOKEN: String(made.token) };
  const program = ["run", "-A", "--no-check", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`];
  return (...args) => ranBy(Deno.execPath(), [...program, ...args], { cwd: folder, env });
}

/** Some events, signed. */
async function record(gateway: GatewayProcess, count: number): Promise<void> {
  const body = { tenant: "acme", agent: "invoice-bot", ttl_seconds: 600 };
  await Promise.all(Array.from({ length: count }, () => gateway.mint(body)));
  assert.equal((await gateway.api("GET", "/api/v1/audit/export?tenant=acme&first=300&last=300")).status, 200);
}

/** Makes what is there old: nobody but the owner of the tables can, and only without the triggers. */
async function age(fixture: DatabaseFixture): Promise<void> {
  const { sql } = await fixture.owner();
  await sql`ALTER TABLE audit_checkpoints DISABLE TRIGGER only_added`;
  await sql`UPDATE audit_checkpoints SET signed_at = signed_at - interval '40 days'`;
  await sql`ALTER TABLE audit_checkpoints ENABLE TRIGGER only_added`;
}

testPostgres("two operators prune, and everybody can check what is left and what went", async (fixture) => {
  const folder = await Deno.makeTempDir();
  try {
    await fixture.migrated();
    await using gateway = await start(fixture);
    const [alice, bob] = [await admin(gateway, folder, "alice"), await admin(gateway, folder, "bob")];
    await record(gateway, 300);
    const key = (await alice("audit", "key", "--tenant", "acme")).out.trim();
    await Deno.writeTextFile(`${folder}/held`, (await alice("audit", "checkpoint", "--tenant", "acme")).out);
    await onlyTogether(gateway, fixture, alice, bob);
    await isWhole(gateway, alice, folder, key, 256);
    await servesWhatIsLeft(gateway);

    await record(gateway, 300);
    await age(fixture);
    const asked = await alice("audit", "prune", "--tenant", "acme", "--json");
    assert.deepEqual(JSON.parse(asked.out).details, { from: 257, to: 512 });
    assert.equal((await bob("audit", "confirm", JSON.parse(asked.out).id)).code, 0);
    await Deno.remove(`${folder}/all.tar`);
    await isWhole(gateway, alice, folder, key, 512);
    await erases(alice, bob);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function onlyTogether(gateway: GatewayProcess, fixture: DatabaseFixture, alice: Run, bob: Run) {
  const prune = ["audit", "prune", "--tenant", "acme"];
  assert.match((await alice(...prune)).out, /no retention_days/);
  assert.equal((await alice("tenant", "set", "acme", "--retention-days", "30")).code, 0);
  assert.match((await alice(...prune)).out, /Expected 256 events after 0 that are signed/);
  await age(fixture);
  const byRoot = await gateway.api("POST", "/api/v1/audit/prunes", { tenant: "acme" });
  assert.equal(byRoot.status, 403);
  const asked = await alice(...prune);
  const id = /audit confirm (\S+)/.exec(asked.out)?.[1] ?? assert.fail(asked.out);
  assert.match((await bob("audit", "pending")).out, new RegExp(`${id} +acme +prune the events 1 to 256`));
  assert.match((await alice("audit", "confirm", id)).out, /other than "alice"/);
  assert.equal((await gateway.api("POST", `/api/v1/audit/actions/${id}/confirm`)).status, 403);
  const done = await bob("audit", "confirm", id);
  assert.equal(done.code, 0, done.out);
  assert.match((await bob("audit", "confirm", id)).out, /No action with this id waits/);
}

async function erases(alice: Run, bob: Run): Promise<void> {
  assert.match(
    (await alice("audit", "values", "600", "--tenant", "acme")).out,
    /Nothing is kept beside event 600/,
  );
  const terms = ["--agent", "invoice-bot", "--to", "2100-01-01"];
  const asked = await alice("audit", "erase", "--tenant", "acme", ...terms);
  const id = /audit confirm (\S+)/.exec(asked.out)?.[1] ?? assert.fail(asked.out);
  assert.match((await bob("audit", "pending")).out, /events of agent "invoice-bot" of "acme" to 2100-01-01/);
  assert.match((await bob("audit", "confirm", id)).out, /0 values and 0 salts went/);
  assert.equal((await alice("audit", "verify", "--tenant", "acme")).code, 0);
}

async function isWhole(gateway: GatewayProcess, run: Run, folder: string, key: string, to: number) {
  const path = "/api/v1/audit/events?tenant=acme&limit=1";
  assert.equal((await (await gateway.api("GET", path)).json()).events[0].seq, to + 1);
  const verified = await run("audit", "verify", "--tenant", "acme", "--key", key, "--expected", "held");
  assert.equal(verified.code, 0, verified.out);
  assert.match(verified.out, new RegExp(`is verified: .*, up to event ${to} pruned`));
  const exported = await run(
    ...["audit", "export", "--tenant", "acme", "--output", "all.tar", "--key", key, "--checkpoint", "held"],
  );
  assert.equal(exported.code, 0, exported.out);
  assert.match(exported.out, new RegExp(`the events up to ${to} pruned`));
  const args = ["all.tar", "--key", key, "--checkpoint", "held"];
  const python = await ranBy("python3", [`${ROOT}/tools/verify_export.py`, ...args], { cwd: folder });
  assert.equal(python.code, 0, python.out);
  assert.deepEqual(JSON.parse(python.out).pruned.last, to);
}

async function servesWhatIsLeft(gateway: GatewayProcess): Promise<void> {
  const status = async (path: string) => {
    const response = await gateway.api("GET", `/api/v1/audit/${path}`);
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await status("log/acme/tile/entries/000"), 410);
  assert.equal(await status("log/acme/tile/0/000"), 200);
  assert.equal(await status("log/acme/tile/entries/001.p/4"), 200);
  assert.equal(await status("proof?tenant=acme&seq=7"), 410);
  assert.equal(await status("proof?tenant=acme&seq=270"), 200);
  assert.equal(await status("consistency?tenant=acme&from=100&to=300"), 200);
  assert.equal(await status("export?tenant=acme&first=2"), 422);
  assert.equal(await status("export?tenant=acme&last=200"), 422);
  assert.equal(await status("export?tenant=acme&first=257"), 200);
  assert.equal(await status("events.csv?tenant=acme"), 200);
}
