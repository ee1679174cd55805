/**
 * Names of the aggregate endpoint `/mcp`: `<upstream>__<tool>` for tools and prompts, `intentgate://<upstream>/<URI>` for
 * resources. No upstream's name contains `__` or ends with `_`, so every name reads in one way.
 */

/** A name together with the upstream that knows it. */
export interface UpstreamName {
  readonly upstream: string;
  readonly name: string;
}

const SEPARATOR = "__";
const URI_PREFIX = "intentgate://";

/** The name of a tool or prompt at the aggregate endpoint. */
export function shownName(upstream: string, name: string): string {
  return `${upstream}${SEPARATOR}${name}`;
}

/** What such a name means, `undefined` for a text that is none. */
export function readShownName(text: string): UpstreamName | undefined {
  const at = text.indexOf(SEPARATOR);
  return at < 1 ? undefined : { upstream: text.slice(0, at), name: text.slice(at + SEPARATOR.length) };
}

/** The URI, or the URI template, of a resource at the aggregate endpoint. */
export function shownUri(upstream: string, uri: string): string {
  return `${URI_PREFIX}${upstream}/${uri}`;
}

/** What such a URI means, `undefined` for a text that is none. */
export function readShownUri(text: string): UpstreamName | undefined {
  if (!text.startsWith(URI_PREFIX)) return undefined;
  const at = text.indexOf("/", URI_PREFIX.length);
  if (at <= URI_PREFIX.length) return undefined;
  return { upstream: text.slice(URI_PREFIX.length, at), name: text.slice(at + 1) };
}
