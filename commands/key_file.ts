/** The key ring file as the `keys` commands change it. */
import { GatewayError } from "../core/errors.ts";
import { formatKeyRing, type KeyRing, parseKeyRing } from "../core/key_ring.ts";
import type { Surroundings } from "./configuration.ts";

/** A key ring and the file that it stands in. */
export interface KeyFile {
  readonly path: string;
  readonly ring: KeyRing;
}

/** Reads the file that INTENTGATE_KEYS_FILE names, else `<data dir>/keys.json`; never makes one. */
export async function readKeyFile({ env }: Surroundings, dataDir: string): Promise<KeyFile> {
  if ((env.INTENTGATE_KEYS ?? "") !== "") {
    throw new GatewayError(
      "config_invalid",
      "Cannot work on the key ring in INTENTGATE_KEYS: put it into a file that INTENTGATE_KEYS_FILE names",
    );
  }
  const path = env.INTENTGATE_KEYS_FILE ?? `${dataDir}/keys.json`;
  try {
    return { path, ring: parseKeyRing(await Deno.readTextFile(path)) };
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError("key_unusable", `Cannot read the key ring "${path}"`, { cause });
  }
}

/** Replaces the file in one step: readers see the old ring or the new one. Only one change can be under way at a time. */
export async function replaceKeyFile(path: string, ring: KeyRing): Promise<void> {
  const fresh = `${await Deno.realPath(path)}.new`;
  const { uid, gid } = await Deno.stat(path);
  const file = await openNew(fresh);
  try {
    try {
      await file.write(new TextEncoder().encode(formatKeyRing(ring)));
      await file.sync();
    } finally {
      file.close();
    }
    // A ring that root rotates must stay readable for the user that the gateway runs as.
    if (uid !== null && uid !== Deno.uid()) await Deno.chown(fresh, uid, gid);
    await Deno.rename(fresh, await Deno.realPath(path));
  } catch (cause) {
    await Deno.remove(fresh).catch(() => {});
    throw new GatewayError("key_unusable", `Cannot replace the key ring "${path}"`, { cause });
  }
}

async function openNew(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  } catch (cause) {
    const hint = cause instanceof Deno.errors.AlreadyExists
      ? "; another command changes the ring, or was interrupted: then remove the file"
      : "";
    throw new GatewayError("key_unusable", `Cannot make "${path}"${hint}`, { cause });
  }
}
