/** The Ed25519 keys that sign checkpoints: a PEM file with one private key, or several while they change over. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { GatewayError } from "../core/errors.ts";

/** Most keys that may sign at once. */
const MAX_KEYS = 8;
const BLOCK = /-----BEGIN PRIVATE KEY-----[\s\S]+?-----END PRIVATE KEY-----/g;

/** Private keys in PEM (PKCS #8), the active one first; throws `GatewayError` that never quotes the text. */
export function parseCheckpointKeys(text: string, where: string): readonly KeyObject[] {
  const blocks = text.match(BLOCK) ?? [];
  const unusable = (why: string, cause?: unknown) =>
    new GatewayError("key_unusable", `Cannot use the checkpoint keys in ${where}: ${why}`, { cause });
  if (blocks.length === 0) throw unusable('expected "-----BEGIN PRIVATE KEY-----" of an Ed25519 key');
  if (blocks.length > MAX_KEYS) throw unusable(`expected at most ${MAX_KEYS} keys, found ${blocks.length}`);
  return blocks.map((block, index) => {
    let key: KeyObject;
    try {
      key = createPrivateKey({ key: block, format: "pem" });
    } catch {
      throw unusable(`key ${index + 1} is no PKCS #8 private key`);
    }
    if (key.asymmetricKeyType !== "ed25519") {
      throw unusable(`key ${index + 1} is of type "${key.asymmetricKeyType}", expected "ed25519"`);
    }
    return key;
  });
}

/** The keys of the environment, else of `<data dir>/checkpoint_keys.pem`, which is made with a new key when it is missing. */
export async function readCheckpointKeys(
  dataDir: string,
  given: string | undefined,
): Promise<readonly KeyObject[]> {
  if (given !== undefined) return parseCheckpointKeys(given, "INTENTGATE_CHECKPOINT_KEYS");
  const path = `${dataDir}/checkpoint_keys.pem`;
  try {
    return parseCheckpointKeys(await Deno.readTextFile(path), `"${path}"`);
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    if (!(cause instanceof Deno.errors.NotFound)) {
      throw new GatewayError("key_unusable", `Cannot read the checkpoint keys "${path}"`, { cause });
    }
  }
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = String(privateKey.export({ format: "pem", type: "pkcs8" }));
  try {
    await Deno.writeTextFile(path, pem, { mode: 0o600, createNew: true });
  } catch (cause) {
    throw new GatewayError("key_unusable", `Cannot make the checkpoint keys "${path}"`, { cause });
  }
  return [privateKey];
}
