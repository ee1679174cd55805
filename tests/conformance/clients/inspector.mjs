// The Inspector's command line: every step is a process of its own. `mode` is its --protocol-era.
import { spawn } from "node:child_process";
import { carryOut } from "./order.mjs";

await carryOut((url, token, mode) => {
  const env = { ...process.env, URL: url, TOKEN: token };
  const run = async (args, signal) => {
    const always = ["--protocol-era", mode, "--format", "json", "--quiet", "--stored-auth-only"];
    // A group of its own, which gets the signal as it would get Ctrl-C.
    const child = spawn("sh", ["inspector.sh", ...always, ...args], { env, detached: true });
    signal?.addEventListener("abort", () => process.kill(-child.pid, "SIGINT"));
    const [stdout, stderr, ended] = await Promise.all([
      textOf(child.stdout),
      textOf(child.stderr),
      endOf(child),
    ]);
    // A tool result with isError is on stdout too, beside an exit code of its own.
    if (stdout !== "") return JSON.parse(stdout).result;
    const { error } = stderr === "" || ended === "SIGINT"
      ? { error: { message: `ended by ${ended}` } }
      : JSON.parse(stderr);
    throw Object.assign(new Error(error.message), error);
  };
  return {
    list: async () => (await run(["--method", "tools/list"])).tools.map(({ name }) => name),
    call: ({ name, arguments: given }, signal) =>
      run(["--method", "tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(given)], signal),
    close: () => {},
  };
});

async function textOf(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

function endOf(child) {
  return new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));
}
