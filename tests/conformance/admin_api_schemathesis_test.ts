/** schemathesis (PyPI) tries the running admin API by its own OpenAPI document, with every check it has. */
import assert from "node:assert/strict";
import { startGateway } from "../gateway_process.ts";
import { installPythonFolder, PYTHON_HINT, runProgram } from "./client_programs.ts";

const PINNED = decodeURIComponent(new URL("./schemathesis", import.meta.url).pathname);
/** The same requests every time, apart from what depends on ids and times. */
const SEED = "20261125";
const TIMEOUT_MS = 180_000;

Deno.test({
  name: "schemathesis finds nothing in the admin API",
  ignore: Deno.env.get("INTENTGATE_TEST_PYTHON") === "off",
  fn: async () => {
    const python = await installPythonFolder("schemathesis", PINNED);
    await using gateway = await startGateway();
    const folder = await Deno.makeTempDir({ prefix: "intentgate_schemathesis_" });
    try {
      for (const name of ["schemathesis.toml", "hooks.py"]) {
        await Deno.copyFile(`${PINNED}/${name}`, `${folder}/${name}`);
      }
      // The start-up operator: no request can take its token away, and whatever else breaks is the gateway's alone.
      const args = ["-m", "schemathesis.cli", "run", `${gateway.adminUrl}/api/v1/openapi.json`];
      const authorization = `Authorization: Bearer ${await gateway.operatorToken()}`;
      const options = ["--seed", SEED, "--continue-on-failure", "--no-color", "--header", authorization];
      const ran = await runProgram(python, [...args, ...options], {
        ...{ cwd: folder, timeoutMs: TIMEOUT_MS, hint: PYTHON_HINT },
      });
      assert.equal(ran.code, 0, `${ran.stdout}${ran.stderr}\n${gateway.stderr.slice(-4_000)}`);
      for (const phase of ["Examples", "Coverage", "Fuzzing", "Stateful"]) {
        assert.match(ran.stdout, new RegExp(`✅ ${phase}`));
      }
      const [, generated] = /(\d+) generated, \1 passed/.exec(ran.stdout) ?? [];
      assert.ok(Number(generated) > 1_000, ran.stdout);
      console.log(`${generated} requests and nothing found`);
      assert.doesNotMatch(gateway.stderr, /An admin request met a fault/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
