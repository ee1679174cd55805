import assert from "node:assert/strict";
import { until } from "./link_fixture.ts";
import { ProcessUnwritable, StdioProcess } from "./stdio_process.ts";

/** A shell stands for a server here; the product itself starts none. */
async function start(script: string, env: Readonly<Record<string, string>> = {}) {
  const lines: string[] = [];
  const errors: string[] = [];
  const process = await StdioProcess.start({ command: "sh", args: ["-c", script], env }, {
    maxLineBytes: 1_000,
    onLine: (line) => lines.push(line.kind === "line" ? line.text : line.kind),
    onStderr: (line) => errors.push(line),
  });
  return { process, lines, errors };
}

/** A process that has ended stays in the table until its parent looks; who has no parent may stay for good in a container. */
const isAlive = (pid: number) =>
  Deno.readTextFile(`/proc/${pid}/stat`).then((stat) => !/\) [ZX] /.test(stat), () => false);

Deno.test("StdioProcess gives the program nothing of the gateway's environment but PATH", async () => {
  Deno.env.set("INTENTGATE_TEST_LEAK", "secret");
  const { process, lines } = await start("env; echo done", { OWN: "1" });
  assert.equal((await process.ended).code, 0);
  Deno.env.delete("INTENTGATE_TEST_LEAK");
  const names = lines.map((line) => line.split("=")[0]).filter((name) =>
    !["PWD", "_", "SHLVL"].includes(name ?? "")
  );
  assert.deepEqual(names.sort(), ["OWN", "PATH", "done"]);
});

Deno.test("StdioProcess ends a program that ignores closed input and SIGTERM, and everything that it started", async () => {
  const { process, lines } = await start(
    "trap '' TERM; sleep 300 & echo $!; sleep 301 & echo $!; while :; do sleep 1; done",
  );
  await until(() => lines.length === 2, "the children's ids");
  const pids = lines.map(Number);
  for (const pid of pids) assert.ok(await isAlive(pid));
  const startedMs = performance.now();
  await process.stop();
  assert.ok(performance.now() - startedMs < 5_000);
  assert.equal((await process.ended).signal, "SIGKILL");
  for (const pid of pids) {
    for (let tries = 0; tries < 100 && await isAlive(pid); tries++) {
      await new Promise((r) => setTimeout(r, 10));
    }
    assert.ok(!await isAlive(pid), `process ${pid} is left`);
  }
  await assert.rejects(process.write("x"), ProcessUnwritable);
});

Deno.test("StdioProcess ends at once with a program that ends when its input is closed", async () => {
  const { process } = await start("cat >/dev/null");
  const startedMs = performance.now();
  await process.stop();
  assert.ok(performance.now() - startedMs < 450);
  assert.equal((await process.ended).code, 0);
});

Deno.test("StdioProcess cuts standard error in length and rate, and says how much it left out", async () => {
  const { process, errors } = await start(
    "i=0; while [ $i -lt 200 ]; do echo line $i >&2; i=$((i+1)); done; head -c 5000 /dev/zero | tr '\\0' x >&2; echo >&2; sleep 1.1; echo last >&2",
  );
  await process.ended;
  assert.ok(errors.length <= 60, `${errors.length} lines`);
  assert.match(errors.at(-1) ?? "", /^last \(\d+ lines left out before\)$/);
});

Deno.test("StdioProcess ends a program that writes a line without an end", async () => {
  const { process } = await start("head -c 100000 /dev/zero | tr '\\0' x; sleep 300");
  assert.equal((await process.ended).signal, "SIGKILL");
});

Deno.test("StdioProcess dies with the gateway, also when that is killed", async () => {
  const module = new URL("./stdio_process.ts", import.meta.url).href;
  const script = `import { StdioProcess } from ${JSON.stringify(module)};
    const started = await StdioProcess.start({ command: "sleep", args: ["300"], env: {} }, { maxLineBytes: 10, onLine() {} });
    console.log(started.pid); setTimeout(() => {}, 60000);`;
  const gateway = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--no-lock", script],
    ...{ stdin: "null", stdout: "piped", stderr: "null" },
  }).spawn();
  const reader = gateway.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  await reader.cancel();
  assert.ok(await isAlive(pid));
  // What is killed in the very moment of starting a program has not yet asked the kernel for its end.
  const isProgram = () => Deno.readTextFile(`/proc/${pid}/cmdline`).then((line) => line.startsWith("sleep"));
  for (let tries = 0; tries < 500 && !await isProgram(); tries++) await new Promise((r) => setTimeout(r, 10));
  gateway.kill("SIGKILL");
  await gateway.status;
  for (let tries = 0; tries < 200 && await isAlive(pid); tries++) await new Promise((r) => setTimeout(r, 10));
  const isLeft = await isAlive(pid);
  if (isLeft) Deno.kill(pid, "SIGKILL");
  // Without setpriv only programs that read their input notice.
  const canEnd = await Deno.stat("/usr/bin/setpriv").then(() => true, () => false);
  assert.equal(isLeft, !canEnd);
});
