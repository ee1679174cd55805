/** What an auditor does with a running gateway, and afterwards without it, on both databases. */
import assert from "node:assert/strict";
import { Agent } from "../agent.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, start } from "./gateways.ts";

const { test } = createDatabaseTests();
const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs commands in a folder of their own, as an auditor with a token of the role. */
async function auditor(gateway: GatewayProcess, folder: string) {
  const body = { id: "auditor", role: "auditor", tenants: ["acme"], ttl_seconds: 600 };
  const made = await (await gateway.api("POST", "/api/v1/operators", body)).json();
  const env = { INTENTGATE_URL: gateway.adminUrl, INTENTGATE_OPERATOR_TOKEN: made.token as string };
  const program = [
    ...["run", "-A", "--no-check", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`],
  ];
  return async (...args: readonly string[]): Promise<Ran> => {
    const ran = await new Deno.Command(Deno.execPath(), { args: [...program, ...args], cwd: folder, env })
      .output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: ran.code, out: text(ran.stdout), err: text(ran.stderr) };
  };
}

async function python(folder: string, ...args: readonly string[]): Promise<number> {
  const script = `${ROOT}/tools/verify_export.py`;
  return (await new Deno.Command("python3", { args: [script, ...args], cwd: folder }).output()).code;
}

async function callSome(gateway: GatewayProcess, calls: number): Promise<void> {
  const { token } = await gateway.mint({ tenant: "acme", agent: "invoice-bot", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "acme", token);
  for (let n = 0; n < calls; n++) await agent.call("list_invoices", {});
}

test("an auditor verifies, exports, resumes and checks a record, and finds a changed one", async (fixture) => {
  const folder = await Deno.makeTempDir();
  try {
    await using gateway = await start(fixture);
    await callSome(gateway, 3);
    const run = await auditor(gateway, folder);
    const key = (await run("audit", "key", "--tenant", "acme")).out.trim();
    assert.match(key, /^intentgate\/\S+\/acme\+[0-9a-f]{8}\+\S+$/);

    const verified = await run("audit", "verify", "--tenant", "acme", "--remember", "last", "--key", key);
    assert.equal(verified.code, 0, verified.out + verified.err);
    await Deno.writeTextFile(
      `${folder}/held`,
      (await run("audit", "checkpoint", "--tenant", "acme")).out,
    );
    await callSome(gateway, 2);

    const exported = await run("audit", "export", "--tenant", "acme", "--output", "all.tar", "--key", key);
    assert.equal(exported.code, 0, exported.out + exported.err);
    assert.equal((await run("audit", "verify-export", "all.tar", "--key", key)).code, 0);
    assert.equal((await run("audit", "verify-export", "all.tar")).code, 3, "no key: unproven");
    assert.equal(await python(folder, "all.tar", "--key", key), 0);

    // Exports are recorded, with who took what.
    const [recorded] = (await events(gateway, "acme")).filter(({ metadata }) =>
      metadata.event_code === "audit.exported"
    );
    assert.equal(recorded.unmapped.operator.id, "auditor");
    assert.equal(recorded.entity.data.first, 1);

    await resumesWhatBrokeOff(run, folder, key);
    const changed = await Deno.readFile(`${folder}/all.tar`);
    changed[2500] = changed[2500]! ^ 1;
    await Deno.writeFile(`${folder}/changed.tar`, changed);
    assert.equal((await run("audit", "verify-export", "changed.tar", "--key", key)).code, 1);
    assert.equal(await python(folder, "changed.tar", "--key", key), 1);
    await provesOneEvent(run, folder, key);
    await mayReadNothingElse(run);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

type Run = Awaited<ReturnType<typeof auditor>>;

async function resumesWhatBrokeOff(run: Run, folder: string, key: string): Promise<void> {
  const whole = await Deno.readFile(`${folder}/all.tar`);
  const { out } = await run("audit", "verify-export", "all.tar", "--key", key, "--json");
  const { last } = JSON.parse(out);
  for (const bytes of [700, whole.length - 1024, whole.length - 1500, whole.length]) {
    await Deno.writeFile(`${folder}/again.tar.part`, whole.subarray(0, bytes));
    const args = ["--tenant", "acme", "--last", String(last), "--key", key];
    const again = await run("audit", "export", "--output", "again.tar", ...args);
    assert.equal(again.code, 0, `${bytes}: ${again.out}${again.err}`);
    if (bytes > whole.length - 1025) assert.deepEqual(await Deno.readFile(`${folder}/again.tar`), whole);
    assert.equal((await run("audit", "export", "--output", "again.tar", ...args)).code, 2, "never replaced");
    await Deno.remove(`${folder}/again.tar`);
  }
  await Deno.writeFile(`${folder}/other.tar.part`, whole.subarray(0, whole.length - 1024));
  const other = await run("audit", "export", "--output", "other.tar", "--tenant", "acme", "--agent", "else");
  assert.equal(other.code, 2);
  assert.match(other.err, /is of another export/);

  const filtered = ["--tenant", "acme", "--agent", "invoice-bot", "--decision", "allow", "--key", key];
  const few = await run(
    "audit",
    "export",
    "--output",
    "few.tar",
    ...filtered,
    "--checkpoint",
    "held",
    "--json",
  );
  const report = JSON.parse(few.out);
  assert.deepEqual([few.code, report.events], [0, 5], few.out);
  assert.ok(report.redacted > 5);
  assert.equal(await python(folder, "few.tar", "--key", key, "--checkpoint", "held"), 0);
  assert.equal(
    (await run("audit", "verify", "--tenant", "acme", "--remember", "last", "--key", key)).code,
    0,
  );
  const expected = await run("audit", "verify", "--tenant", "acme", "--expected", "held", "--key", key);
  assert.equal(expected.code, 0, expected.out + expected.err);
}

async function provesOneEvent(run: Run, folder: string, key: string): Promise<void> {
  const proof = (await run("audit", "proof", "4", "--tenant", "acme")).out;
  await Deno.writeTextFile(`${folder}/4.tlog-proof`, proof);
  const good = await run("audit", "verify-proof", "4.tlog-proof", "--key", key);
  assert.equal(good.code, 0, good.out);
  assert.match(good.out, /event 4 of a log of/);
  assert.equal((await run("audit", "verify-proof", "4.tlog-proof")).code, 3);
  await Deno.writeTextFile(`${folder}/5.tlog-proof`, proof.replace("index 3", "index 4"));
  assert.equal((await run("audit", "verify-proof", "5.tlog-proof", "--key", key)).code, 1);
  const table = await run("audit", "table", "--tenant", "acme", "--output", "t.csv", "--decision", "allow");
  assert.equal(table.code, 0, table.err);
  const lines = (await Deno.readTextFile(`${folder}/t.csv`)).split("\r\n");
  assert.match(lines[0] ?? "", /^seq,time,event,.*proves nothing/);
  assert.equal(lines.length, 1 + 5 + 1);
}

async function mayReadNothingElse(run: Run): Promise<void> {
  assert.equal((await run("operator", "whoami")).code, 0);
  for (const args of [["token", "list", "--tenant", "acme"], ["tenant", "list"], ["tools", "list"]]) {
    const refused = await run(...args);
    assert.match(refused.err, /Expected the role "viewer", operator "auditor" has "auditor"/, args.join(" "));
  }
  const foreign = await run("audit", "export", "--tenant", "default", "--output", "default.tar");
  assert.match(foreign.err, /Tenant "default" does not exist/);
}
