import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";

/** HMAC-SHA256 of a text under an event's salt, lower-case hex: confirmable by who holds the salt, opaque to others. */
export function saltedDigest(salt: Uint8Array, text: string): string {
  return createHmac("sha256", salt).update(text, "utf8").digest("hex");
}

/** Hash before the first event of a chain: SHA-256("intentgate-audit-v1\0" ‖ log id ‖ "\0" ‖ chain). */
export function genesisHash(logId: string, chain: string): Uint8Array {
  return createHash("sha256").update(`intentgate-audit-v1\0${logId}\0${chain}`, "utf8").digest();
}

/** Hash after one more event: SHA-256(previous hash, raw ‖ canonical event, UTF-8). */
export function nextHash(previous: Uint8Array, canonical: string): Uint8Array {
  return createHash("sha256").update(previous).update(canonical, "utf8").digest();
}

/** Lower-case hex of bytes. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
