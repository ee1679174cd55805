import assert from "node:assert/strict";
import { type AuditEntry, MAX_EVENT_BYTES } from "../core/audit_entry.ts";
import { MAX_VALUE_BYTES } from "../core/record_values.ts";
import { LateFileWriter, type LateKeys, readLateFile, recordMember, recordOf } from "./late_file.ts";

const keys: LateKeys = { active: "k1", keys: new Map([["k1", new Uint8Array(32).fill(1)]]) };
const id = { name: "r-1.late", logId: "log" };
const entry: AuditEntry = {
  ...{
    chain: "acme",
    eventId: "e1",
    canonical: '{"a":"\\u2028 ✓ \\"q\\""}',
    salt: new Uint8Array([0, 255, 7]),
  },
  conditions: [{ kind: "not_recorded", event_id: "e1" }, { kind: "close_decision", decision_id: "d" }],
};

/** The lines of a file: its header, then the records. */
function file(count: number, made = { keys, id }): string[] {
  const writer = new LateFileWriter(made.keys, made.id);
  return [
    writer.header(),
    ...Array.from({ length: count }, (_, index) => writer.line(JSON.stringify({ index }))),
  ];
}

async function read(text: string, with_ = keys, as = id) {
  const members: unknown[] = [];
  const bytes = async function* () {
    yield new TextEncoder().encode(text);
  };
  const reading = readLateFile(bytes(), with_, as);
  for (;;) {
    const next = await reading.next();
    if (next.done === true) return { members: members.length, end: next.value };
    members.push(next.value);
  }
}

Deno.test("recordOf() gives back an entry with its salt and conditions, byte for byte", () => {
  assert.deepEqual(recordOf(JSON.parse(JSON.stringify(recordMember(entry)))), entry);
  const values = { arguments: '{"amount":"\u0001"}', reason: "why ✓" };
  assert.deepEqual(recordOf(JSON.parse(JSON.stringify(recordMember({ ...entry, values })))), {
    ...entry,
    values,
  });
  const { salt: _, ...plain } = entry;
  assert.deepEqual(recordOf(JSON.parse(JSON.stringify(recordMember(plain)))), plain);
  for (
    const member of [{}, { chain: "a", event_id: "e", event: 5, conditions: [] }, {
      chain: "a",
      event_id: "e",
      event: "",
    }]
  ) {
    assert.throws(() => recordOf(member), TypeError);
  }
});

Deno.test("readLateFile() reads a whole file, an empty one, and one whose last line a crash cut off", async () => {
  const lines = file(3);
  assert.deepEqual(await read(lines.join("")), { members: 3, end: { kind: "whole" } });
  assert.deepEqual(await read(""), { members: 0, end: { kind: "whole" } });
  const whole = lines.join("");
  const last = lines.at(-1)!.length;
  for (let cut = 1; cut < last; cut++) {
    assert.deepEqual(
      await read(whole.slice(0, -cut)),
      { members: 2, end: { kind: "torn" } },
      `cut by ${cut}`,
    );
  }
  assert.deepEqual(await read(lines[0]!.slice(0, 20)), { members: 0, end: { kind: "torn" } });
  assert.deepEqual(await read(`${whole}\0\0\0\0`), { members: 3, end: { kind: "torn" } });
});

Deno.test("readLateFile() stops at the first line that is not what was written, and counts what it does not believe", async () => {
  const [header = "", one = "", two = "", three = ""] = file(3);
  const damaged = (lines: number) => ({ kind: "damaged", lines });
  const cases: [string, string, number, { kind: string; lines: number }][] = [
    ["a changed record", header + one + two.replace('"index":1', '"index":9') + three, 1, damaged(2)],
    ["a removed record", header + two + three, 0, damaged(2)],
    ["a record twice", header + one + one + two + three, 1, damaged(3)],
    ["swapped records", header + two + one + three, 0, damaged(3)],
    ["an added record", header + one + two + three + file(4)[4]!.replace("index", "INDEX"), 3, damaged(1)],
    ["a line without seal", header + '{"index":0}\n' + one, 0, damaged(2)],
    ["no header", one + two, 0, damaged(2)],
    ["damage, then a cut", header + one.replace("index", "INDEX") + two.slice(0, 5), 0, damaged(2)],
    ["another format", header.replace("v1", "v9") + one, 0, damaged(2)],
  ];
  for (const [what, text, members, end] of cases) {
    assert.deepEqual(await read(text), { members, end }, what);
  }
});

Deno.test("readLateFile() takes no file of another name, another log or an unknown key", async () => {
  const text = file(2).join("");
  assert.deepEqual(await read(text, keys, { ...id, name: "r-2.late" }), {
    members: 0,
    end: { kind: "damaged", lines: 3 },
  });
  await assert.rejects(read(text, keys, { ...id, logId: "other" }), {
    code: "late_records_unusable",
    message: /"r-1\.late": it belongs to another database/,
  });
  await assert.rejects(read(text, { active: "k2", keys: new Map([["k2", new Uint8Array(32)]]) }), {
    code: "late_records_unusable",
    message: /written under the key "k1", which the key ring does not have/,
  });
  const forged = file(2, { keys: { active: "k1", keys: new Map([["k1", new Uint8Array(32).fill(9)]]) }, id });
  assert.deepEqual(await read(forged.join("")), { members: 0, end: { kind: "damaged", lines: 3 } });
});

Deno.test("readLateFile() reads the longest record that there can be", async () => {
  const longest: AuditEntry = {
    ...entry,
    canonical: `"${'\\"'.repeat(MAX_EVENT_BYTES / 2 - 1)}"`,
    values: {
      arguments: `"${'\\"'.repeat(MAX_VALUE_BYTES / 2 - 1)}"`,
      prompt: `"${'\\"'.repeat(MAX_VALUE_BYTES / 2 - 1)}"`,
      reason: "\u0001".repeat(MAX_VALUE_BYTES),
      description: "\u0001".repeat(MAX_VALUE_BYTES),
    },
  };
  const writer = new LateFileWriter(keys, id);
  const text = writer.header() + writer.line(JSON.stringify(recordMember(longest)));
  assert.deepEqual(await read(text), { members: 1, end: { kind: "whole" } });
});
