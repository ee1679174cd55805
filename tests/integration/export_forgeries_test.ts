import assert from "node:assert/strict";
import { type ExportReport, verifyExport } from "../../audit/export/verify_export.ts";
import { parseVerifierKey, parseWitnessKey } from "../../audit/signed_note.ts";
import { disputedExports } from "../disputed_exports.ts";
import { exportForgeries, type ForgedExport } from "../export_forgeries.ts";
import { pruneForgeries } from "../prune_forgeries.ts";

const VERIFIER = decodeURIComponent(new URL("../../tools/verify_export.py", import.meta.url).pathname);

async function ours(forged: ForgedExport): Promise<ExportReport> {
  async function* whole() {
    yield await Promise.resolve(forged.archive);
  }
  return await verifyExport(whole(), {
    keys: forged.keys.map(parseVerifierKey),
    witnesses: (forged.witnesses ?? []).map(parseWitnessKey),
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
        witnesses: forged.witnesses ?? [],
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
            keys, witnesses = [v.Verifier(k) for k in case["keys"]], [v.Verifier(k, (4,)) for k in case["witnesses"]]
            held = case["checkpoint"] and case["checkpoint"].encode()
            v.verify(stream, keys, witnesses, case["needed"], held, case["chain"], report)
    except v.Broken as fault:
        report.update(verdict="broken", code=fault.args[0], detail=fault.args[1])
    reports.append(report)
print(json.dumps(reports))
`;

/** What a verifier says besides the verdict; of a broken archive how far it came is its own affair. */
function found({ events, redacted, open, pruned, cosigners, chain, first, last, size }: ExportReport) {
  return { events, redacted, open, pruned, cosigners, chain, first, last, size };
}

Deno.test("every forged export is found out by both verifiers, which agree, and no honest one is accused", async () => {
  const forgeries = [...await exportForgeries(), ...await pruneForgeries(), ...await disputedExports()];
  assert.ok(forgeries.filter(({ verdict }) => verdict === "broken").length >= 140);
  assert.ok(forgeries.filter(({ witnesses }) => witnesses !== undefined).length >= 8);
  const python = await inPython(forgeries);
  for (const [index, forged] of forgeries.entries()) {
    const [mine, theirs] = [await ours(forged), python[index]!];
    assert.equal(mine.verdict, forged.verdict, `${forged.name}: ${JSON.stringify(mine)}`);
    assert.equal(theirs.verdict, forged.verdict, `${forged.name}: ${JSON.stringify(theirs)}`);
    assert.equal(theirs.code, mine.code, `${forged.name}: ${JSON.stringify(mine)} ${JSON.stringify(theirs)}`);
    if (forged.code !== undefined) assert.equal(mine.code, forged.code, `${forged.name}: ${mine.detail}`);
    if (forged.verdict !== "broken") assert.deepEqual(found(theirs), found(mine), forged.name);
  }
});

Deno.test("verify_export.py takes no log's key for that of a witness, and no number of witnesses below 0", async () => {
  const [honest] = await exportForgeries();
  const [key = ""] = honest?.keys ?? [];
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${folder}/honest.tar`, honest?.archive ?? new Uint8Array());
    const run = async (...args: readonly string[]) => {
      const line = [VERIFIER, `${folder}/honest.tar`, "--key", key, ...args];
      const { code, stderr } = await new Deno.Command("python3", { args: line }).output();
      return [code, new TextDecoder().decode(stderr).split("error: ")[1]?.slice(0, 30)];
    };
    assert.deepEqual(await run(), [0, undefined]);
    assert.deepEqual(await run("--witness", key), [2, "not a verifier key of this kin"]);
    assert.deepEqual(await run("--witnesses-needed=-1"), [2, "argument --witnesses-needed: i"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
