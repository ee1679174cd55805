import { gatewayFromSource } from "./gateway_process.ts";

/** How one command ended, and what it printed. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `intentgate` from the sources, as a person would: arguments and input in, text and exit code out. */
export async function intentgate(
  args: readonly string[],
  env: Record<string, string> = {},
  input = "",
): Promise<Ran> {
  const [program = "", ...first] = gatewayFromSource();
  const child = new Deno.Command(program, {
    args: [...first, ...args],
    env: { INTENTGATE_DATA_DIR: "/nonexistent", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}
