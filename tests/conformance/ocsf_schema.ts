/** Asks PyPI `ocsf-json-schema` about events; installed once, see `client_programs.ts`. */
import assert from "node:assert/strict";
import { installPythonFolder, PYTHON_HINT, runProgram } from "./client_programs.ts";

const PINNED = decodeURIComponent(new URL("./ocsf", import.meta.url).pathname);
const OCSF_VERSION = "1.8.0";
const TIMEOUT_MS = 120_000;

/** What OCSF has against each of these events, in their order; an empty list for one that is as it should be. */
export async function ocsfFaults(events: readonly string[]): Promise<readonly (readonly string[])[]> {
  const python = await installPythonFolder("ocsf", PINNED);
  const folder = await Deno.makeTempDir({ prefix: "intentgate_ocsf_" });
  try {
    const path = `${folder}/events.ndjson`;
    await Deno.writeTextFile(path, events.map((event) => `${event}\n`).join(""));
    const ran = await runProgram(python, [`${PINNED}/validate.py`, OCSF_VERSION, path], {
      ...{ timeoutMs: TIMEOUT_MS, hint: PYTHON_HINT },
    });
    assert.equal(ran.code, 0, ran.stderr);
    const faults: string[][] = JSON.parse(ran.stdout);
    assert.equal(faults.length, events.length);
    return faults;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
