/** Every kind of audit event that a gateway writes is one of OCSF 1.8.0, as PyPI `ocsf-json-schema` knows it. */
import assert from "node:assert/strict";
import { canonicalJson } from "../../core/canonical_json.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { codeOf, differences, listedKinds, readEventPage } from "./event_page.ts";
import { ocsfFaults } from "./ocsf_schema.ts";
import { playedEvents } from "./played_events.ts";

const { testPostgres } = createDatabaseTests();
const usesPython = Deno.env.get("INTENTGATE_TEST_PYTHON") !== "off";

/** Members of API Activity that only a profile has. */
const OF_PROFILES = { security_control: "action_id", ai_operation: "message_context", trace: "trace" };

testPostgres(
  "events of every listed kind come out of exports, fit OCSF 1.8.0 and are what the docs say",
  async (fixture, cluster) => {
    const lines = await playedEvents(fixture, cluster);
    const events = lines.map((line): JsonObject => JSON.parse(line));
    events.forEach((event, index) => assert.equal(canonicalJson(event), lines[index]));
    const page = await readEventPage();
    const produced = [...new Set(events.map(codeOf))].sort();
    assert.deepEqual(produced, await listedKinds(), "the kinds in docs/reference/audit.md");
    assert.deepEqual(
      [...page.kinds.keys()].sort(),
      produced,
      "the sections of docs/reference/audit_events.md",
    );
    for (const event of events) assert.deepEqual(differences(page, event), [], codeOf(event));
    if (usesPython) assert.deepEqual(await faultsByKind(events), []);
    for (const [profile, member] of Object.entries(OF_PROFILES)) {
      assert.ok(events.some((event) => hasProfile(event, profile) && event[member] !== undefined), profile);
    }
    console.log(`${events.length} events of ${produced.length} kinds, all valid`);
  },
);

Deno.test({
  name: "the examples in the docs fit OCSF 1.8.0 and are what the tables beside them say",
  ignore: !usesPython,
  fn: async () => {
    const page = await readEventPage();
    assert.deepEqual(page.examples.flatMap((event) => differences(page, event)), []);
    assert.deepEqual(await faultsByKind(page.examples), []);
    const classes = new Set(page.examples.map(({ class_uid }) => class_uid));
    assert.deepEqual([...classes].sort(), [1008, 3002, 3004, 6002, 6003], "an example of every class");
  },
});

Deno.test({
  name: "a planted wrong event does not fit OCSF 1.8.0",
  ignore: !usesPython,
  fn: async () => {
    const { examples } = await readEventPage();
    const [decided] = examples.filter((event) => codeOf(event) === "call.decided");
    assert.ok(decided !== undefined);
    const { actor: _, trace: _trace, ...rest } = decided;
    const [whole, ...planted] = await ocsfFaults([
      decided,
      { ...rest, trace: decided.trace },
      { ...rest, actor: decided.actor },
      { ...decided, mood: "good" },
      { ...decided, action_id: 77 },
      { ...decided, action: undefined },
      { ...decided, type_uid: 600_301 },
      { ...decided, time: "yesterday" },
      { ...decided, src_endpoint: { ip: "unknown" } },
      { ...decided, class_uid: 9_999 },
      { ...decided, metadata: { ...decided.metadata as JsonObject, profiles: [] } },
      { ...decided, metadata: { ...decided.metadata as JsonObject, version: "1.7.0" } },
      { ...decided, message_context: { ai_role_id: 4 } },
    ].map((event) => JSON.stringify(event)));
    assert.deepEqual(whole, []);
    assert.deepEqual(
      planted.map((faults) => faults[0]?.replace(/^([^:]+): .*?('\w+'|$).*/, "$1 $2").trim()),
      [
        ". 'actor'",
        "metadata/profiles",
        ". 'mood'",
        "action_id",
        "action_id",
        "type_uid",
        "time 'yesterday'",
        "src_endpoint/ip 'unknown'",
        "No class found for uid 9999",
        ". 'action'",
        "metadata/version",
        "message_context 'ai_role_id'",
      ],
    );
  },
});

Deno.test("the tables of the docs are held against events: a member too much, one too few, a wrong type", async () => {
  const page = await readEventPage();
  const [started] = page.examples.filter((event) => codeOf(event) === "gateway.started");
  assert.ok(started !== undefined && isJsonObject(started.unmapped));
  const { database: _, ...unmapped } = started.unmapped;
  assert.deepEqual(
    differences(page, { ...started, unmapped: { ...unmapped, settings_version: "3", mood: 1 } }),
    [
      "unmapped.settings_version is documented as integer and is a string",
      "unmapped.mood is not documented",
      "unmapped.database is not there",
    ],
  );
});

async function faultsByKind(events: readonly JsonObject[]): Promise<readonly string[]> {
  const faults = await ocsfFaults(events.map((event) => JSON.stringify(event)));
  return faults.flatMap((list, index) => list.map((fault) => `${codeOf(events[index]!)}: ${fault}`));
}

function hasProfile({ metadata }: JsonObject, profile: string): boolean {
  return isJsonObject(metadata) && Array.isArray(metadata.profiles) && metadata.profiles.includes(profile);
}
