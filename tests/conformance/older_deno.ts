/**
 * The gateway on Deno 2.6. Deno 2.9.6 does not notice a client that closes its connection (without a reset) before its answer
 * has begun, when the request's body is longer than some 400 bytes; so there the gateway cannot pass on what it does not see.
 */
import { PYTHON_HINT, runProgram } from "./client_programs.ts";
import { gatewayFromSource } from "../gateway_process.ts";

const TOOL = decodeURIComponent(new URL("../../tools/denort.sh", import.meta.url).pathname);

/** How to start the gateway on Deno 2.6; `undefined` where there is none. */
export async function gatewayOnDeno26(): Promise<readonly string[] | undefined> {
  if (`${Deno.build.os} ${Deno.build.arch}` !== "linux x86_64") return undefined;
  const made = await runProgram(TOOL, [], { timeoutMs: 5 * 60_000, hint: PYTHON_HINT });
  const [, deno] = /^DENO=(.+)$/m.exec(made.stdout) ?? [];
  if (made.code !== 0 || deno === undefined) throw new Error(`Cannot get Deno 2.6: ${made.stderr}`);
  return [deno, ...gatewayFromSource().slice(1)];
}
