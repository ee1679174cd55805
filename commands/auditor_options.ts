/** What the commands of auditors share: keys, files, and how a verdict becomes an exit code. */
import { NoteError, type NoteVerifier, parseVerifierKey, parseWitnessKey } from "../audit/signed_note.ts";
import { type ExitCode, type OptionDeclarations, type Terminal, UsageError } from "./command.ts";

/** Whose record. */
export const TENANT = {
  kind: "text",
  value: "NAME",
  help:
    "Whose record: a tenant, ~unverified for refused attempts, or ~installation for changes to operators.",
  default: "default",
  suggests: "tenant",
} as const;

/** Options of every command that checks signatures. */
export const KEY_OPTIONS = {
  key: {
    ...{ kind: "text", value: "KEY", many: true },
    help: "A verifier key of the log that you got once, not from whoever is to be checked with it.",
  },
  witness: { kind: "text", value: "KEY", many: true, help: "The verifier key of a witness that you trust." },
  witnesses: {
    ...{ kind: "number", value: "N", default: "0" },
    help: "So many of the witnesses must have cosigned.",
  },
} as const satisfies OptionDeclarations;

/** Which checkpoint is asked for. */
export const COSIGNED_OPTION = {
  cosigned: {
    ...{ kind: "number", value: "N", default: "0" },
    help: "Not the newest checkpoint, but the newest that so many witnesses have cosigned.",
  },
} as const satisfies OptionDeclarations;

/** What a checked thing turned out to be. */
export type Verdict = "verified" | "broken" | "unproven";

/** 0 verified, 1 broken, 3 neither. */
export function exitCodeOf(verdict: unknown): ExitCode {
  return verdict === "verified" ? 0 : verdict === "broken" ? 1 : 3;
}

/** Reads verifier keys from the command line; those of witnesses are of their own type. */
export function readKeys(
  lines: readonly string[] | undefined,
  option: "key" | "witness",
): readonly NoteVerifier[] {
  try {
    return (lines ?? []).map(option === "key" ? parseVerifierKey : parseWitnessKey);
  } catch (error) {
    if (error instanceof NoteError) throw new UsageError(`--${option}: ${error.message}`);
    throw error;
  }
}

/** Where a file is that the command line names. */
export function pathOf({ folder }: Terminal, path: string): string {
  return folder === undefined || path.startsWith("/") ? path : `${folder}/${path}`;
}

/** The text of a file that must be there. */
export async function readInputFile(terminal: Terminal, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(pathOf(terminal, path));
  } catch (cause) {
    throw new UsageError(`Cannot read the file "${path}"`, { cause });
  }
}

/** The text of a file that need not be there yet. */
export async function readIfThere(terminal: Terminal, path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(pathOf(terminal, path));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw new UsageError(`Cannot read the file "${path}"`, { cause });
  }
}

/** Replaces a file in one step. */
export async function replaceFile(terminal: Terminal, path: string, text: string): Promise<void> {
  const target = pathOf(terminal, path);
  await Deno.writeTextFile(`${target}.new`, text);
  await Deno.rename(`${target}.new`, target);
}
