/** The command line as a person uses it: arguments in, text and exit code out. */
import assert from "node:assert/strict";
import { COMMANDS } from "../../commands/command_table.ts";
import { intentgate } from "../command_line.ts";
import { startGateway } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();

Deno.test("help and version are there, and a wrong command line ends with 2 and a hint", async () => {
  const overview = await intentgate(["--help"]);
  assert.equal(overview.code, 0);
  for (const { name, summary } of COMMANDS) assert.ok(overview.out.includes(summary), name);
  const group = await intentgate(["token"]);
  assert.deepEqual([group.code, /token mint +Mint/.test(group.out)], [2, true], group.out);
  assert.equal((await intentgate(["help", "token", "mint"])).code, 0);
  assert.match((await intentgate(["token", "mint", "--help"])).out, /--max-calls N/);
  assert.match((await intentgate(["--version"])).out, /^intentgate \d+\.\d+\.\d+/);
  const cases: [string[], RegExp][] = [
    [[], /^$/],
    [["serv"], /Unknown command "serv"; did you mean "serve"\?/],
    [["token", "mnt"], /did you mean "token mint"\?/],
    [["token", "mint", "--agnt", "x"], /Unknown option "--agnt"; did you mean "--agent"\?/],
    [["token", "mint"], /Expected --agent NAME/],
    [["token", "mint", "--agent", "a", "--ttl", "soon"], /--ttl expects a duration.*found "soon"/],
    [["token", "mint", "--agent", "a", "--args", "{"], /--args expects JSON/],
    [["token", "inspect", "ig1.abc"], /Expected the name of a file, found a token/],
    [["token", "revoke", "--reason", "x"], /Expected exactly one of --jti ID or --block-id ID/],
    [["kill", "engag"], /did you mean "kill engage"\?/],
    [["kill", "engage", "--reason", "x"], /Expected at least one of --all/],
    [["kill", "engage", "--all", "--tenant", "a", "--reason", "x"], /Expected one of --all/],
    [["kill", "engage", "--agent", "a", "--upstream", "u", "--reason", "x"], /Expected one of --all/],
    [["kill", "engage", "--agent", "a", "--reason", "x"], /Expected --tenant NAME beside --agent NAME/],
    [["kill", "engage", "--all"], /Expected --reason TEXT/],
    [["kill", "release", "x", "--reason", "x"], /Expected the number of a switch, found "x"/],
    [["keys", "ad"], /did you mean "keys add"\?/],
    [["keys", "retire"], /Expected <kid>/],
    [["operator", "lst"], /did you mean "operator list"\?/],
    [
      ["operator", "create", "alice", "--role", "viewer"],
      /Expected exactly one of --tenant NAME or --all-tenants/,
    ],
    [["operator", "create", "alice", "--all-tenants"], /Expected --role auditor, viewer, operator or admin/],
    [["tenant", "set", "acme"], /Expected at least one of --description TEXT, --no-description/],
    [["tenant", "set", "acme", "--retention-days", "3", "--no-retention"], /or --no-retention, found both/],
    [
      ["audit", "erase", "--tenant", "acme"],
      /Expected exactly one of --agent NAME, --user NAME or --event ID/,
    ],
    [["tenant", "show"], /Expected <name>/],
    [["serve", "extra"], /Expected no arguments, found "extra"/],
  ];
  for (const [args, message] of cases) {
    const ran = await intentgate(args);
    assert.equal(ran.code, 2, `${args.join(" ")}: ${ran.err}`);
    assert.match(ran.err, message);
  }
});

Deno.test("check prints the resolved configuration without secrets, and refuses what serve would refuse", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/gateway.yaml`;
  await Deno.writeTextFile(
    file,
    "upstreams:\n  erp:\n    url: https://erp.example/mcp\n    headers:\n      authorization: {env: ERP}\n",
  );
  const env = { INTENTGATE_CONFIG: file, ERP: "hunter2", DATABASE_URL: "postgres://u:hunter2@db/x" };
  const ran = await intentgate(["check"], env);
  assert.equal(ran.code, 0, ran.err);
  assert.match(ran.out, /capability → policy → budget/);
  assert.match(ran.out, /erp +https:\/\/erp\.example\/mcp \(authorization: \*\*\*\)/);
  assert.match(ran.out, /postgres:\/\/u:\*\*\*@db\/x/);
  const json = await intentgate(["check", "--json"], env);
  assert.equal(JSON.parse(json.out).config.upstreams.erp.timeout_ms, 60_000);
  assert.equal((ran.out + ran.err + json.out).includes("hunter2"), false);
  await Deno.writeTextFile(file, "pipeline: [{check: budget}, {check: capabilty}]\n");
  const bad = await intentgate(["check"], { INTENTGATE_CONFIG: file });
  assert.equal(bad.code, 2);
  assert.match(bad.err, /"budget": stands first but does not establish the principal/);
  assert.match(bad.err, /"capabilty": no such check/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a token is minted, inspected, attenuated and revoked from the command line", async () => {
  await using gateway = await startGateway();
  const env = { INTENTGATE_URL: gateway.url, INTENTGATE_DATA_DIR: gateway.dataDir };
  const minted = await intentgate(
    ["token", "mint", "--agent", "a", "--tenant", "acme", "--ttl", "8h", "--tool", "read_*", "--json"],
    env,
  );
  assert.equal(minted.code, 0, minted.err);
  const { token, jti, expires_at } = JSON.parse(minted.out);
  assert.ok(Math.abs(expires_at - Date.now() / 1000 - 8 * 3600) < 60);
  const child = await intentgate(
    ["token", "attenuate", "-", "--max-calls", "1", "--delegate", "b"],
    {},
    `${token}\n`,
  );
  assert.equal(child.code, 0, child.err);
  const shown = await intentgate(["token", "inspect", "--json"], {}, child.out);
  const { blocks } = JSON.parse(shown.out);
  assert.deepEqual(blocks[1].content, { delegate: "b", max_calls: 1 });
  assert.equal(blocks[0].content.jti, jti);
  assert.equal(shown.out.includes(child.out.trim().split(".").at(-1) ?? "?"), false, "the tag is a key");
  const revoked = await intentgate(
    ["token", "revoke", "--tenant", "acme", "--jti", jti, "--reason", "test", "--json"],
    env,
  );
  assert.equal(JSON.parse(revoked.out).block_id, blocks[0].id);
  const unknown = await intentgate(["token", "revoke", "--jti", jti, "--reason", "test"], env);
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /status 404: Tenant "default" has no token/);
  for (const text of ["", "ig1.x", `${token}x`, token.slice(0, -3), `ig2${token.slice(3)}`]) {
    const ran = await intentgate(["token", "inspect", "-"], {}, text);
    assert.equal(ran.code, 1, text);
    assert.match(ran.err, /Cannot use the token/);
  }
  const unreachable = await intentgate(["token", "mint", "--agent", "a"], {
    ...env,
    INTENTGATE_URL: "http://127.0.0.1:1",
  });
  assert.equal(unreachable.code, 1);
  assert.match(unreachable.err, /Cannot reach the gateway at "http:\/\/127\.0\.0\.1:1"/);
});

Deno.test("a kill switch is engaged, listed and released from the command line", async () => {
  await using gateway = await startGateway();
  const env = { INTENTGATE_URL: gateway.url, INTENTGATE_DATA_DIR: gateway.dataDir };
  const kill = (...args: string[]) => intentgate(["kill", ...args], env);
  assert.match((await kill("list")).out, /^No kill switch is engaged$/m);
  const engaged = await kill("engage", "--agent", "bot", "--tenant", "acme", "--reason", "drill");
  assert.equal(engaged.code, 0, engaged.err);
  assert.match(engaged.out, /^Engaged kill switch 1: agent "bot" of tenant "acme"$/m);
  const json = await kill("engage", "--all", "--reason", "drill", "--json");
  assert.deepEqual(JSON.parse(json.out), { number: 2, scope: "all" });
  const listed = await kill("list");
  assert.match(listed.out, /^1 +20.*Z +agent "bot" of tenant "acme" +root +drill\n2 +20.* every call/m);
  assert.equal(JSON.parse((await kill("list", "--json")).out).kill_switches.length, 2);
  const typo = await kill("engage", "--upstream", "acmee", "--reason", "x");
  assert.match(typo.err, /Upstream "acmee" is not configured/);
  assert.match((await kill("release", "2", "--reason", "over")).out, /^Released kill switch 2: every call$/m);
  const again = await kill("release", "2", "--reason", "over");
  assert.equal(again.code, 1);
  assert.match(again.err, /No kill switch with this number is engaged/);
});

Deno.test("tenants and operators are managed from the command line", async () => {
  await using gateway = await startGateway();
  const env = { INTENTGATE_URL: gateway.url, INTENTGATE_DATA_DIR: gateway.dataDir };
  const made = await intentgate(["tenant", "create", "globex", "--description", "Globex"], env);
  assert.deepEqual([made.code, made.out], [0, "Created tenant globex\n"], made.err);
  const again = await intentgate(["tenant", "create", "globex"], env);
  assert.deepEqual([again.code, /status 409: Tenant "globex" exists/.test(again.err)], [1, true], again.err);
  const shown = JSON.parse((await intentgate(["tenant", "show", "globex", "--json"], env)).out);
  assert.deepEqual(shown.settings, { description: "Globex" });
  const set = ["tenant", "set", "globex", "--description", "Globex Ltd"];
  assert.equal((await intentgate([...set, "--version", String(shown.version)], env)).code, 0);
  const stale = await intentgate([...set, "--version", String(shown.version)], env);
  assert.match(stale.err, /status 409: Expected version \d+ of tenant "globex", found \d+/);
  assert.match((await intentgate(["tenant", "list"], env)).out, /^globex +\d+ +Globex Ltd$/m);

  const create = ["operator", "create", "alice", "--role", "viewer", "--tenant", "globex", "--ttl", "1d"];
  const created = await intentgate(create, env);
  assert.match(created.out, /^igo_[A-Za-z0-9_-]{43}\n$/, created.err);
  assert.match((await intentgate(["operator", "list"], env)).out, /^alice +viewer +globex +until 20/m);
  const asAlice = { ...env, INTENTGATE_OPERATOR_TOKEN: created.out.trim() };
  const hers = JSON.parse((await intentgate(["tenant", "list", "--json"], asAlice)).out);
  assert.deepEqual(hers.tenants.map(({ name }: { name: string }) => name), ["globex"]);
  assert.match(
    (await intentgate(["operator", "list"], asAlice)).err,
    /status 403: Expected the role "admin"/,
  );
  assert.equal((await intentgate(["operator", "delete", "alice"], env)).out, "Deleted operator alice\n");
  assert.match((await intentgate(["tenant", "list"], asAlice)).err, /status 401/);
  assert.match((await intentgate(["operator", "list"], env)).out, /^alice +viewer +globex +deleted 20/m);
});

test("migrate brings the schema up to date and does nothing the second time", async (fixture) => {
  const env = { INTENTGATE_DATA_DIR: fixture.dataDir, ...fixture.databaseEnv };
  const first = await intentgate(["migrate", "--json"], env);
  assert.equal(first.code, 0, first.err);
  assert.ok(JSON.parse(first.out).applied.length > 0);
  const second = await intentgate(["migrate"], env);
  assert.match(second.out, /Schema is at \d+: nothing to do/);
});

Deno.test("what was done is read back from the command line: tokens, revocations, upstreams, events, oneself", async () => {
  await using gateway = await startGateway();
  const env = { INTENTGATE_URL: gateway.url, INTENTGATE_DATA_DIR: gateway.dataDir };
  const run = (...args: string[]) => intentgate(args, env);
  const { jti } = await gateway.mint({ tenant: "acme", agent: "reader", ttl_seconds: 600 });
  assert.equal((await run("token", "revoke", "--tenant", "acme", "--jti", jti, "--reason", "lost")).code, 0);
  // Tokens are listed by their second of issue: within one their order is that of their random ids.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await gateway.mint({ tenant: "acme", agent: "other", ttl_seconds: 600 });
  const tokens = await run("token", "list", "--tenant", "acme");
  assert.match(tokens.out, new RegExp(`^${jti} +reader +20\\S+ +revoked +root$`, "m"), tokens.err);
  assert.match(tokens.out, /other +20\S+ +until 20/);
  const first = await run("token", "list", "--tenant", "acme", "--limit", "1", "--json");
  const page = JSON.parse(first.out);
  assert.equal(page.tokens.length, 1);
  assert.match(first.err, /There are more: --after /);
  const rest = await run("token", "list", "--tenant", "acme", "--after", page.next_after, "--json");
  assert.deepEqual(JSON.parse(rest.out).tokens.map(({ agent }: { agent: string }) => agent), ["other"]);
  assert.match((await run("revocation", "list", "--tenant", "acme")).out, /^1 +20\S+ +\S{43} +root +lost$/m);
  assert.match((await run("upstream", "list")).out, /^acme +every +http:/m);
  assert.match((await run("operator", "whoami")).out, /^id +root\nrole +admin\ntenants +every$/m);
  const events = await run("audit", "list", "--tenant", "acme");
  assert.match(events.out, /token\.minted +root +capability_token/, events.err);
  assert.match(events.out, /revocation\.created +root +revocation 1 lost$/m);
  const shown = JSON.parse((await run("audit", "show", "1", "--tenant", "acme", "--json")).out);
  assert.deepEqual([shown.seq, shown.tenant], [1, "acme"]);
  assert.match((await run("audit", "show", "999", "--tenant", "acme")).err, /There is no event 999/);
  const verified = await run("audit", "verify", "--tenant", "acme");
  assert.deepEqual([verified.code, / is verified: \d+ events/.test(verified.out)], [0, true], verified.err);
  assert.match((await run("api", "describe")).out, /"openapi": "3\.1/);
});
