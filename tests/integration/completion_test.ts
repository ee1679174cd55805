/** The completion scripts in the shells that they are for. Shells that are not installed are named as not run. */
import assert from "node:assert/strict";
import { gatewayFromSource, startGateway } from "../gateway_process.ts";

/** A folder with `intentgate` on its PATH, and a file whose name begins with "tok". */
async function workshop() {
  const folder = await Deno.makeTempDir({ prefix: "intentgate_completion_" });
  await Deno.writeTextFile(`${folder}/tokens.txt`, "");
  const words = gatewayFromSource().map((part) => `'${part}'`).join(" ");
  await Deno.writeTextFile(`${folder}/intentgate`, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

async function run(shell: string, script: string, folder: string, env: Record<string, string> = {}) {
  const { stdout, stderr } = await new Deno.Command(shell, {
    args: [...(shell === "zsh" ? ["-f"] : shell === "bash" ? ["--norc"] : ["--no-config"]), "-c", script],
    cwd: folder,
    env: { PATH: `${folder}:${Deno.env.get("PATH")}`, INTENTGATE_DATA_DIR: "/nonexistent", ...env },
  }).output();
  return { out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

function isMissing(shell: string): boolean {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return !folders.some((folder) => {
    try {
      return Deno.statSync(`${folder}/${shell}`).isFile;
    } catch {
      return false;
    }
  });
}

/** What bash's readline does at TAB: words split at spaces, = and :, the cursor at the end. */
function atTab(line: string): string {
  const words = [...line.matchAll(/[=:]+|[^\s=:]+/g)].map(([word]) => word);
  if (line.endsWith(" ")) words.push("");
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  return [
    `COMP_LINE=${quoted(line)} COMP_POINT=${line.length} COMP_CWORD=${words.length - 1}`,
    `COMP_WORDS=(${words.map(quoted).join(" ")})`,
    `_intentgate; printf '%s,' "\${COMPREPLY[@]}"; echo`,
  ].join("\n");
}

Deno.test({
  name: "bash completes commands, options, values, files and names, and evaluates nothing of the line",
  ignore: isMissing("bash"),
  async fn() {
    await using gateway = await startGateway();
    await using made = await workshop();
    const env = { INTENTGATE_URL: gateway.url, INTENTGATE_DATA_DIR: gateway.dataDir };
    const lines = [
      ["intentgate tok", "token,"],
      ["intentgate token ", "mint,inspect,attenuate,list,revoke,"],
      ["intentgate token mint --ag", "--agent,"],
      ["intentgate operator create --role v", "viewer,"],
      ["intentgate operator create --role=", "auditor,viewer,operator,admin,"],
      ["intentgate kill list --url=http://h:1 --js", "--json,"],
      ["intentgate token inspect tok", "tokens.txt,"],
      ["intentgate token mint --args-file=tok", "tokens.txt,"],
      ["intentgate kill engage --upstream a", "acme,"],
      ["intentgate tenant show ", "acme,default,"],
      ["intentgate kill engage --agent $(touch evaluated) --ten", "--tenant,"],
    ] as const;
    const script = ["source <(intentgate completion bash)", ...lines.map(([line]) => atTab(line))].join("\n");
    const { out, err } = await run("bash", script, made.folder, env);
    assert.deepEqual(out.trimEnd().split("\n"), lines.map(([, found]) => found), err);
    await assert.rejects(Deno.stat(`${made.folder}/evaluated`));
    const registered = await run(
      "bash",
      "source <(intentgate completion bash); complete -p intentgate",
      made.folder,
    );
    assert.equal(registered.out, "complete -F _intentgate intentgate\n");
  },
});

Deno.test("names are offered within a second and without an error, also when the gateway hangs or lies", async () => {
  const hanging = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using lying = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
    const names = ["good", "$(reboot)", "a b", "-rf", "x;y", "\u001b[2J"];
    return Response.json({ tenants: names.map((name) => ({ name })), next_after: null });
  });
  await using made = await workshop();
  const ask = (port: number) =>
    run("bash", "intentgate __complete tenant show ''; echo \"=$?\"", made.folder, {
      INTENTGATE_URL: `http://127.0.0.1:${port}`,
      INTENTGATE_OPERATOR_TOKEN: "igo_test",
    });
  const startedMs = performance.now();
  assert.deepEqual(await ask(hanging.addr.port), { out: ":nothing\n=0\n", err: "" });
  assert.ok(performance.now() - startedMs < 10_000, "one second, and what starting from the sources takes");
  assert.deepEqual(await ask(lying.addr.port), { out: "good\n:nothing\n=0\n", err: "" });
  hanging.close();
});

Deno.test({
  name: "zsh completes at the TAB key of an interactive shell",
  ignore: isMissing("zsh"),
  async fn() {
    await using made = await workshop();
    const script = `
zmodload zsh/zpty
zpty -b z zsh -f -i
say() { zpty -w -n z "$1" }
hear() { local got all=; repeat 100; do sleep 0.1; while zpty -r -t z got; do all+=$got; done; [[ $all == *$1* ]] && break; done; print -r -- "$all" }
say $'unset zle_bracketed_paste; PS1=; autoload -Uz compinit; compinit -u -D; source <(intentgate completion zsh); echo LOA""DED\\n'
hear LOADED >/dev/null
say $'intentgate operator create --role v\\t'; hear viewer; say $'\\x15'
say $'intentgate token inspect tokens.t\\t'; hear tokens.txt; say $'\\x15'
say $'intentgate kill engage --agent $(touch evaluated) --ten\\t'; hear --tenant
zpty -d z`;
    const { out, err } = await run("zsh", script, made.folder);
    for (const found of ["--role viewer", "inspect tokens.txt", "--tenant"]) {
      assert.ok(out.includes(found), out + err);
    }
    await assert.rejects(Deno.stat(`${made.folder}/evaluated`));
  },
});

Deno.test({
  name: "fish completes commands, options, values and files",
  ignore: isMissing("fish"),
  async fn() {
    await using made = await workshop();
    const lines = [
      ["intentgate tok", "token"],
      ["intentgate operator create --role v", "viewer"],
      ["intentgate operator create --role=v", "--role=viewer"],
      ["intentgate token mint --ag", "--agent"],
      ["intentgate token inspect tok", "tokens.txt"],
      ["intentgate token mint --args-file=tok", "--args-file=tokens.txt"],
    ] as const;
    const asked = lines.map(([line]) => `complete -C '${line}'`).join("\n");
    const { out, err } = await run("fish", `intentgate completion fish | source\n${asked}`, made.folder);
    assert.deepEqual(
      out.trimEnd().split("\n").map((line) => line.split("\t")[0]),
      lines.map(([, found]) => found),
      err,
    );
  },
});
