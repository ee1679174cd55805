/** Strict base64url: exactly one text for every byte string, so nobody can spell the same token twice. */
import { Buffer } from "node:buffer";

/** Base64url without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/** The bytes of canonical base64url; `undefined` for padding, spare bits, line breaks or any foreign character. */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  // Some runtimes throw for a length that no bytes have.
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Buffer.from(text, "base64url"));
  return encodeBase64url(bytes) === text ? bytes : undefined;
}
