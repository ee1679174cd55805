/** What the gateway generates for itself on first start: files that only their owner may read. */
import { GatewayError } from "../core/errors.ts";
import { formatKeyRing, generateKeyRing, type KeyRing, parseKeyRing } from "../core/key_ring.ts";
import { encodeBase64url } from "../core/base64url.ts";
import { randomBytes } from "./random.ts";

/** Makes the data folder, readable by its owner only. */
export async function makeDataFolder(dataDir: string): Promise<void> {
  try {
    await Deno.mkdir(dataDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new GatewayError("config_invalid", `Cannot make the data folder "${dataDir}"`, { cause });
  }
}

/** The key ring from the configuration, else from `<data dir>/keys.json`, generated when there is none. */
export async function readKeyRing(dataDir: string, configured: string | undefined): Promise<KeyRing> {
  if (configured !== undefined) return parseKeyRing(configured);
  const path = `${dataDir}/keys.json`;
  const text = await readOwn(path, () => formatKeyRing(generateKeyRing(randomBytes)));
  return parseKeyRing(text);
}

/** The operator token from the configuration, else from `<data dir>/operator_token`, generated when there is none. */
export async function readOperatorToken(dataDir: string, configured: string | undefined): Promise<string> {
  const token = configured ??
    (await readOwn(`${dataDir}/operator_token`, () => `igo_${encodeBase64url(randomBytes(32))}\n`)).trim();
  if (!/^[\x21-\x7e]{16,512}$/.test(token)) {
    throw new GatewayError(
      "key_unusable",
      "Cannot use the operator token: expected 16 to 512 printable ASCII characters without spaces",
    );
  }
  return token;
}

/** Reads one of our own secret files, or writes it first; refuses one that others may read. */
async function readOwn(path: string, make: () => string): Promise<string> {
  try {
    const info = await Deno.stat(path);
    if (info.mode !== null && (info.mode & 0o077) !== 0) {
      const found = (info.mode & 0o777).toString(8);
      throw new GatewayError("key_unusable", `Cannot use "${path}": expected file mode 600, found ${found}`);
    }
    return await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const text = make();
  const fresh = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(fresh, text, { mode: 0o600, createNew: true });
  try {
    await Deno.link(fresh, path); // fails when another process was faster: its file counts
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  } finally {
    await Deno.remove(fresh);
  }
  return await Deno.readTextFile(path);
}
