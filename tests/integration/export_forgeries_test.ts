import assert from "node:assert/strict";
import { type ExportReport, verifyExport } from "../../audit/export/verify_export.ts";
import { parseVerifierKey } from "../../audit/signed_note.ts";
import { exportForgeries, type ForgedExport } from "../export_forgeries.ts";
import { pruneForgeries } from "../prune_forgeries.ts";

const VERIFIER = decodeURIComponent(new URL("../../tools/verify_export.py", import.meta.url).pathname);

async function ours(forged: ForgedExport): Promise<ExportReport> {
  async function* whole() {
    yield await Promise.resolve(forged.archive);
  }
  return await verifyExport(whole(), {
    keys: forged.keys.map(parseVerifierKey),
    chain: forged.chain,
    ...(forged.checkpoint === undefined ? {} : { checkpoint: forged.checkpoint }),
    ...(forged.witnessesNeeded === undefined ? {} : { witnessesNeeded: forged.witnessesNeeded }),
  });
}

/** Runs the verifier in Python over all archives at once: starting it for each would take most of the time. */
async function inPython(forgeries: readonly ForgedExport[]): Promise<ExportReport[]> {
  const folder = await Deno.makeTempDir();
  try {
    const cases = [];
    for (const [index, forged] of forgeries.entries()) {
      await Deno.writeFile(`${folder}/${index}.tar`, forged.archive);
      cases.push({
        ...{ archive: `${folder}/${index}.tar`, keys: forged.keys, chain: forged.chain },
        ...{ checkpoint: forged.checkpoint ?? null, needed: forged.witnessesNeeded ?? 0 },
      });
    }
    await Deno.writeTextFile(`${folder}/cases.json`, JSON.stringify(cases));
    const ran = await new Deno.Command("python3", { args: ["-c", DRIVER, VERIFIER, `${folder}/cases.json`] })
      .output();
    assert.equal(ran.code, 0, new TextDecoder().decode(ran.stderr));
    return JSON.parse(new TextDecoder().decode(ran.stdout));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const DRIVER = `
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("verify_export", sys.argv[1])
v = importlib.util.module_from_spec(spec); spec.loader.exec_module(v)
reports = []
for case in json.load(open(sys.argv[2])):
    report = {"verdict": "broken", "events": 0, "redacted": 0, "open": 0, "cosigners": []}
    try:
        with open(case["archive"], "rb") as stream:
            v.verify(stream, [v.Verifier(k) for k in case["keys"]], [], case["needed"], case["checkpoint"], case["chain"], report)
    except v.Broken as fault:
        report.update(verdict="broken", code=fault.args[0], detail=fault.args[1])
    reports.append(report)
print(json.dumps(reports))
`;

Deno.test("every forged export is found out by both verifiers, which agree, and no honest one is accused", async () => {
  const forgeries = [...await exportForgeries(), ...await pruneForgeries()];
  assert.ok(forgeries.filter(({ verdict }) => verdict === "broken").length >= 85);
  const python = await inPython(forgeries);
  for (const [index, forged] of forgeries.entries()) {
    const [mine, theirs] = [await ours(forged), python[index]!];
    assert.equal(mine.verdict, forged.verdict, `${forged.name}: ${JSON.stringify(mine)}`);
    assert.equal(theirs.verdict, forged.verdict, `${forged.name}: ${JSON.stringify(theirs)}`);
    assert.equal(theirs.code, mine.code, `${forged.name}: ${JSON.stringify(mine)} ${JSON.stringify(theirs)}`);
    if (forged.code !== undefined) assert.equal(mine.code, forged.code, `${forged.name}: ${mine.detail}`);
    if (forged.verdict !== "broken") {
      const counted = ({ events, redacted, open, pruned }: ExportReport) => [events, redacted, open, pruned];
      assert.deepEqual(counted(theirs), counted(mine), forged.name);
    }
  }
});
