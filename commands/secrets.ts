/** Secrets come from a variable or from a file named by `<variable>_FILE`, never from the configuration itself. */
import { GatewayError } from "../core/errors.ts";
import type { SecretSource } from "../core/upstream_transport.ts";
import type { Surroundings } from "./configuration.ts";

/** Value of `<variable>` or content of the file that `<variable>_FILE` names; `undefined` when neither is set. */
export async function readSecret(surroundings: Surroundings, variable: string): Promise<string | undefined> {
  const value = surroundings.env[variable];
  const file = surroundings.env[`${variable}_FILE`];
  if (value !== undefined && value !== "" && file !== undefined) {
    throw new GatewayError("config_invalid", `Set either ${variable} or ${variable}_FILE, not both`);
  }
  if (value !== undefined && value !== "") return value;
  return file === undefined ? undefined : await readSecretFile(surroundings, file, `${variable}_FILE`);
}

/** Value of a secret that the configuration points at. */
export async function resolveSource(
  surroundings: Surroundings,
  source: SecretSource,
  what: string,
): Promise<string> {
  if (source.file !== undefined) return await readSecretFile(surroundings, source.file, what);
  const value = surroundings.env[source.env ?? ""];
  if (value === undefined || value === "") {
    throw new GatewayError("config_invalid", `Variable ${source.env}, wanted for ${what}, is not set`);
  }
  return value;
}

async function readSecretFile(surroundings: Surroundings, path: string, what: string): Promise<string> {
  let text: string;
  try {
    text = await surroundings.readTextFile(path);
  } catch (cause) {
    throw new GatewayError("config_invalid", `Cannot read the file "${path}", wanted for ${what}`, { cause });
  }
  const value = text.replace(/\r?\n$/, "");
  if (value === "") {
    throw new GatewayError("config_invalid", `The file "${path}", wanted for ${what}, is empty`);
  }
  return value;
}
