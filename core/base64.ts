/** Strict base64 (RFC 4648 §4, with padding): exactly one text for every byte string. */
import { Buffer } from "node:buffer";

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** The bytes of canonical base64; `undefined` for missing padding, spare bits, line breaks or any foreign character. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  // Some runtimes throw for what is no base64, others skip it.
  if (!BASE64.test(text)) return undefined;
  const bytes = new Uint8Array(Buffer.from(text, "base64"));
  return encodeBase64(bytes) === text ? bytes : undefined;
}
