/**
 * Values of the headers that repeat what stands in the body. Source: MCP 2026-07-28, Streamable HTTP: plain text, or
 * `=?base64?…?=` around the base64 of UTF-8.
 */
const PREFIX = "=?base64?";
const SUFFIX = "?=";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Longer values are not looked at. */
const MAX_VALUE_LENGTH = 16_384;

/** The text that a value stands for, `undefined` for one that is none: bad base64, bad UTF-8, control characters. */
export function decodeHeaderValue(value: string): string | undefined {
  if (value.length > MAX_VALUE_LENGTH) return undefined;
  if (!value.startsWith(PREFIX) || !value.endsWith(SUFFIX) || value.length < PREFIX.length + SUFFIX.length) {
    return /^[\t\x20-\x7e]*$/.test(value) ? value : undefined;
  }
  const encoded = value.slice(PREFIX.length, -SUFFIX.length);
  if (!BASE64.test(encoded)) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(encoded, { lastChunkHandling: "strict" });
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
