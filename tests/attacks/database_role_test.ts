/** Threat: whoever can run SQL as the gateway does rewrites the record, takes rights or reads other tenants. */
import assert from "node:assert/strict";
import postgres from "postgres";
import type { AppendCondition } from "../../core/audit_entry.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import type { Database } from "../../store/database.ts";
import { excessRights, readHardening } from "../../store/database_role.ts";
import { migrate } from "../../store/migration_runner.ts";
import { createKillSwitches } from "../../store/kill_switches.ts";
import { createOperators } from "../../store/operators.ts";
import { createRevocations } from "../../store/revocations.ts";
import { createTenants } from "../../store/tenants.ts";
import { createTokens } from "../../store/tokens.ts";
import { createDatabaseTests, type DatabaseFixture } from "../integration/databases.ts";

const { testPostgres } = createDatabaseTests();

const BY = { reason: "r", operator: "o" };
const ONLY_ADDED = /permission denied|only ever added/;

/** Two tenants with one row of everything, written by the run-time role. */
async function inhabited(fixture: DatabaseFixture): Promise<Database> {
  const db = await fixture.migrated();
  for (const tenant of ["acme", "globex"]) {
    const token = { tenant, jti: tenant, kid: "k", blockId: `b-${tenant}`, agent: "a", operator: "o" };
    await db.transact(async (tx) => {
      await createTenants(db).create(tx, tenant, { plan: tenant });
      await createTokens(db).insert(tx, { ...token, issuedAt: 1_800_000_000, expiresAt: 1_900_000_000 });
      await createRevocations(db).insert(tx, { tenant, kind: "block", value: `b-${tenant}`, ...BY });
      const number = await createKillSwitches(db).engage(tx, { scope: "tenant", tenant, ...BY });
      await createKillSwitches(db).release(tx, number, BY);
    });
    const counted = {
      block_id: `b-${tenant}`,
      root_block_id: `b-${tenant}`,
      max: 9,
      expires_at: 4_000_000_000,
    };
    const conditions: AppendCondition[] = [
      { kind: "open_decision", decision_id: `d-${tenant}`, replica_id: "r" },
      { kind: "consume_call", ...counted },
    ];
    const event = { chain: tenant, eventId: tenant, canonical: `{"of":"${tenant}"}`, conditions };
    const [appended] = await createAuditEvents(db).append([{ ...event, salt: new Uint8Array(32) }]);
    assert.equal(appended?.status, "appended");
  }
  const operator = { id: "alice", role: "admin", tenants: "*", ttlSeconds: 600, createdBy: "root" } as const;
  await db.transact(async (tx) => {
    await createOperators(db).insert(tx, { ...operator, tokenSha256: new Uint8Array(32) });
    await createOperators(db).disable(tx, "alice");
  });
  return db;
}

/** What a compromised gateway would try, with what the owner of the tables is told when he tries it. */
const ATTACKS: readonly (readonly [what: string, sql: string, owner: "succeeds" | RegExp])[] = [
  ["change an event", `UPDATE audit_events SET event = '{}' WHERE chain = 'acme'`, ONLY_ADDED],
  ["remove an event", `DELETE FROM audit_events WHERE chain = 'acme'`, ONLY_ADDED],
  ["empty the record", `TRUNCATE audit_events`, ONLY_ADDED],
  [
    "append past the function",
    `INSERT INTO audit_events (chain, seq, event_id, event, hash) VALUES ('acme', 9, 'x', '{}', '')`,
    "succeeds",
  ],
  ["erase a salt", `DELETE FROM audit_salts`, "succeeds"],
  ["forge a head", `UPDATE audit_heads SET seq = 0 WHERE chain = 'acme'`, /only goes forward/],
  ["move a head", `UPDATE audit_heads SET seq = seq + 5 WHERE chain = 'acme'`, "succeeds"],
  ["remove a chain", `DELETE FROM audit_heads`, /only goes forward/],
  ["close a decision without an outcome", `DELETE FROM open_decisions`, "succeeds"],
  ["give calls back", `UPDATE call_counters SET used = 0`, "succeeds"],
  ["call an inner function", `SELECT audit_consume_call('acme', '{}')`, /null value|violates|conflict/],
  ["take back a revocation", `DELETE FROM revocations`, ONLY_ADDED],
  ["change a revocation", `UPDATE revocations SET value = 'x'`, ONLY_ADDED],
  ["forget a kill switch", `DELETE FROM kill_switch_releases; DELETE FROM kill_switches`, ONLY_ADDED],
  ["turn the feed back", `UPDATE revocation_counter SET number = 0`, /only goes forward/],
  ["enable an operator again", `UPDATE operators SET disabled_at = NULL`, "succeeds"],
  ["become an operator", `UPDATE operators SET token_sha256 = sha256('mine')`, "succeeds"],
  ["take back a retirement", `UPDATE key_fingerprints SET retired_at = NULL`, "succeeds"],
  ["forget a token", `DELETE FROM tokens`, "succeeds"],
  ["move a tenant back", `UPDATE tenants SET settings_version = 1`, "succeeds"],
  ["rename the log", `UPDATE installation SET log_id = repeat('A', 22)`, /only goes forward/],
  ["undo a migration", `DELETE FROM schema_migrations`, "succeeds"],
  ["drop a table", `DROP TABLE audit_salts`, "succeeds"],
  ["alter a table", `ALTER TABLE audit_events ADD COLUMN x int`, "succeeds"],
  ["switch the trigger off", `ALTER TABLE audit_events DISABLE TRIGGER only_added`, "succeeds"],
  ["switch row security off", `ALTER TABLE tokens DISABLE ROW LEVEL SECURITY`, "succeeds"],
  ["write a policy", `CREATE POLICY mine ON tokens USING (true)`, "succeeds"],
  ["replace a function", `CREATE OR REPLACE FUNCTION feed_next() RETURNS bigint RETURN 1`, "succeeds"],
  ["shadow a function", `CREATE FUNCTION feed_next(text) RETURNS bigint RETURN 1`, "succeeds"],
  [
    "grant itself more",
    `GRANT DELETE ON audit_salts TO intentgate; DELETE FROM audit_salts`,
    "succeeds",
  ],
  ["become the owner", `SET ROLE intentgate_owner`, "succeeds"],
  ["pretend to be replication", `SET session_replication_role = replica`, /permission denied/],
  ["run a program", `COPY audit_events TO PROGRAM 'cat'`, /permission denied|must be|COPY/],
];

class RolledBack extends Error {}

/** Tries one attack and undoes it; resolves with what the database said. */
async function attempt(db: Database, attack: string): Promise<string> {
  try {
    await db.sql.begin(async (tx) => {
      await tx.unsafe(attack);
      // What changed nothing was no success: an UPDATE that sees no rows is not refused either.
      throw new RolledBack();
    });
    return "succeeds";
  } catch (error) {
    return error instanceof RolledBack ? "succeeds" : String(error);
  }
}

testPostgres(
  "a compromised run-time role changes nothing that is recorded and gains no right",
  async (fixture) => {
    const db = await inhabited(fixture);
    const owner = await fixture.owner();
    for (const [what, attack, expected] of ATTACKS) {
      const refused = /permission denied|must be owner|must be member|COPY/;
      assert.match(await attempt(db, attack), refused, `${what}: ${attack}`);
      const asOwner = await attempt(owner, attack);
      if (expected === "succeeds") assert.equal(asOwner, "succeeds", `the owner may ${what}`);
      else assert.match(asOwner, expected, `the owner tries to ${what}`);
    }
  },
);

testPostgres("what the owner is refused by triggers succeeds once they are off", async (fixture) => {
  await inhabited(fixture);
  const owner = await fixture.owner();
  const off =
    "ALTER TABLE audit_events DISABLE TRIGGER USER; ALTER TABLE audit_heads DISABLE TRIGGER USER; " +
    "ALTER TABLE revocations DISABLE TRIGGER USER;";
  for (
    const [what, attack] of ATTACKS.filter(([, sql]) =>
      /(FROM|UPDATE|TRUNCATE) (audit_(events|heads)|revocations)\b/.test(sql)
    )
  ) {
    assert.equal(await attempt(owner, `${off} ${attack}`), "succeeds", what);
  }
});

testPostgres(
  "functions of the run-time role are no way around: names in front, old tokens, open outcomes",
  async (fixture) => {
    const db = await inhabited(fixture);
    const owner = await fixture.owner();
    // A temporary table in front of ours, with rights of our own making.
    await db.sql.begin(async (tx) => {
      await tx.unsafe(`
      CREATE TEMPORARY TABLE audit_heads (chain text, seq bigint, hash bytea);
      INSERT INTO pg_temp.audit_heads VALUES ('acme', 77, sha256('mine'));
      SET LOCAL search_path = pg_temp, public`);
      const [row] = await tx<{ new_seq: string }[]>`
      SELECT new_seq FROM public.audit_append(
        ARRAY['acme'], ARRAY['x'], ARRAY['{}'], ARRAY[NULL]::bytea[], ARRAY[NULL]::text[]
      )`;
      assert.equal(row?.new_seq, "2", "the function looks at its own schema first");
    });
    const alice = { id: "alice", role: "admin", tenants: "*", ttlSeconds: 600, createdBy: "root" } as const;
    await assert.rejects(
      db.transact((tx) => createOperators(db).insert(tx, { ...alice, tokenSha256: new Uint8Array(32) })),
      /an operator token is used once/,
      "the token of a deleted operator does not come back",
    );
    await db.sql`SELECT replica_register('r', '1', 'd', 1e9)`;
    await db.sql`SELECT replica_remove('r')`;
    const [replica] = await owner.sql<{ minutes: number }[]>`
    SELECT extract(epoch FROM lease_until - clock_timestamp())::int / 60 AS minutes FROM replicas`;
    assert.ok(replica !== undefined, "who owes an outcome does not vanish");
    assert.ok(replica.minutes <= 60, "and its lease ends");
  },
);

/** Every table with rows of tenants, with the column that says whose they are. */
const OF_TENANTS: Readonly<Record<string, string>> = {
  tenants: "name",
  tokens: "tenant",
  revocations: "tenant",
  kill_switches: "tenant",
  audit_heads: "chain",
  audit_events: "chain",
  audit_salts: "chain",
  open_decisions: "chain",
  call_counters: "chain",
};

testPostgres(
  "a query whose tenant condition was forgotten sees one tenant, and without any setting none",
  async (fixture) => {
    const db = await inhabited(fixture);
    for (const [table, column] of Object.entries(OF_TENANTS)) {
      const whose = (sql: Database["sql"]) =>
        sql<{ whose: string }[]>`SELECT DISTINCT ${sql(column)} AS whose FROM ${sql(table)} ORDER BY 1`;
      const names = async (query: PromiseLike<{ whose: string }[]>) => (await query).map((row) => row.whose);
      const read = (tenants: string | string[]) =>
        names(db.read(tenants, (tx) => whose(tx as unknown as Database["sql"])));
      assert.deepEqual(await read("acme"), ["acme"], table);
      assert.deepEqual(await read(["acme", "globex"]), ["acme", "globex"], table);
      for (const nobody of ["nobody", "*", "acme,globex", "", "acme' OR 'x"]) {
        assert.deepEqual(await read(nobody), [], `${table} in the context of "${nobody}"`);
      }
      assert.deepEqual(await read([]), [], table);
      assert.deepEqual(await names(whose(db.sql)), [], `${table} without any context`);
      const all = await names(db.readEverybody((tx) => whose(tx as unknown as Database["sql"])));
      assert.ok(all.includes("acme") && all.includes("globex"), table);
      // The check off: as the owner, the same query leaks.
      assert.ok((await names(whose((await fixture.owner()).sql))).includes("globex"), table);
    }
    const releases = (tenant: string) =>
      db.read(tenant, (sql) => sql`SELECT 1 FROM kill_switch_releases`).then((rows) => rows.length);
    assert.deepEqual([await releases("acme"), await releases("nobody")], [1, 0]);
  },
);

testPostgres(
  "the context of a read ends with it, also inside a transaction and after a failure",
  async (fixture) => {
    const db = await inhabited(fixture);
    const known = await db.transact(async (tx) => {
      const found = await createTenants(db).known(tx, ["acme", "globex", "nobody"]);
      const [left] = await (tx as unknown as Database["sql"])<{ count: number }[]>`
      SELECT count(*)::int AS count FROM tenants`;
      assert.equal(left?.count, 0);
      await createTenants(db).create(tx, "third", {});
      return found;
    });
    assert.deepEqual(known.sort(), ["acme", "globex"]);
    await assert.rejects(db.readEverybody((sql) => sql`SELECT 1 / 0`), /division by zero/);
    await assert.rejects(db.readEverybody((sql) => sql`SELECT settings_raise()`), /read-only transaction/);
    const counts = await Promise.all(
      Array.from({ length: 30 }, () => db.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM tenants`),
    );
    assert.deepEqual(new Set(counts.map(([row]) => row?.n)), new Set([0]), "on every connection of the pool");
  },
);

testPostgres(
  "no table and no function was forgotten: rights of the run-time role, row security, search paths",
  async (fixture) => {
    const db = await fixture.migrated();
    const owner = await fixture.owner();
    const tables = await owner.sql<Record<string, unknown>[]>`
    SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
      has_table_privilege('intentgate', c.oid, 'SELECT') AS readable,
      has_table_privilege('intentgate', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege('intentgate', c.oid, 'INSERT, UPDATE, REFERENCES') AS changeable,
      ARRAY(SELECT polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY 1) AS policies,
      EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('tenant', 'chain')
          OR a.attrelid = c.oid AND c.relname = 'tenants'
      ) AS of_tenants,
      (SELECT pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p
        WHERE p.polrelid = c.oid AND p.polname = 'reads') AS reads
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`;
    assert.ok(tables.length >= 17);
    for (const table of tables) {
      const name = String(table.name);
      assert.equal(table.forced, true, `${name} has no forced row security`);
      assert.equal(table.readable, true, name);
      assert.equal(table.changeable, false, `${name} can be changed by the run-time role`);
      assert.deepEqual(table.policies, ["owner", "reads"], name);
      if (table.of_tenants === true) assert.match(String(table.reads), /intentgate\.tenants/, name);
    }
    const functions = await owner.sql<Record<string, unknown>[]>`
    SELECT p.oid::regprocedure::text AS name, p.prosecdef AS definer, p.proconfig AS config,
      has_function_privilege('intentgate', p.oid, 'EXECUTE') AS callable,
      EXISTS (
        SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0
      ) AS is_public
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace`;
    assert.ok(functions.length >= 20);
    for (const { name, definer, config, callable, is_public } of functions) {
      assert.equal(is_public, false, `${name} can be called by everybody`);
      assert.equal(callable, definer, `${name} is SECURITY DEFINER and callable, or neither`);
      if (definer === true) assert.deepEqual(config, ["search_path=public, pg_temp"], String(name));
    }
    assert.equal(await readHardening(db), "separated");
    assert.equal(await readHardening(owner), "owner");
  },
);

testPostgres("a role with more rights is no run-time role", async (fixture) => {
  const db = await fixture.migrated();
  const owner = await fixture.owner();
  const admin = postgres(fixture.superuserUrl ?? "", { max: 1 });
  const role = "too_mighty";
  const name = new URL(fixture.databaseUrl ?? "").pathname.slice(1);
  const gifts: readonly (readonly [give: string, excess: RegExp, back: string])[] = [
    [`ALTER ROLE ${role} SUPERUSER`, /superuser/, `ALTER ROLE ${role} NOSUPERUSER`],
    [`ALTER ROLE ${role} BYPASSRLS`, /BYPASSRLS/, `ALTER ROLE ${role} NOBYPASSRLS`],
    [`ALTER ROLE ${role} CREATEROLE`, /CREATEROLE/, `ALTER ROLE ${role} NOCREATEROLE`],
    [`GRANT intentgate_owner TO ${role}`, /become (its|their) owner/, `REVOKE intentgate_owner FROM ${role}`],
    [`GRANT pg_write_all_data TO ${role}`, /change the table/, `REVOKE pg_write_all_data FROM ${role}`],
    [`GRANT pg_execute_server_program TO ${role}`, /files/, `REVOKE pg_execute_server_program FROM ${role}`],
    [
      `GRANT INSERT ON revocations TO ${role}`,
      /change the table revocations/,
      `REVOKE INSERT ON revocations FROM ${role}`,
    ],
    [
      `GRANT UPDATE (event) ON audit_events TO ${role}`,
      /audit_events/,
      `REVOKE UPDATE (event) ON audit_events FROM ${role}`,
    ],
    [
      `GRANT CREATE ON DATABASE ${name} TO ${role}`,
      /may create schemas/,
      `REVOKE CREATE ON DATABASE ${name} FROM ${role}`,
    ],
    [
      `GRANT CREATE ON SCHEMA public TO ${role}`,
      /create objects/,
      `REVOKE CREATE ON SCHEMA public FROM ${role}`,
    ],
  ];
  try {
    await admin.unsafe(`CREATE ROLE ${role}`);
    assert.deepEqual(await excessRights(db.sql, role), []);
    for (const [give, excess, back] of gifts) {
      await admin.unsafe(give);
      assert.match((await excessRights(db.sql, role)).join("; "), excess, give);
      await assert.rejects(migrate(owner, { grantTo: role }), { code: "database_role_unfit" }, give);
      await admin.unsafe(back);
    }
    await migrate(owner, { grantTo: role });
    await assert.rejects(
      migrate(owner, { grantTo: "nobody_at_all" }),
      /Cannot find the role "nobody_at_all"/,
    );
  } finally {
    await admin.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await admin.end();
  }
});
