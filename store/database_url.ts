import { GatewayError } from "../core/errors.ts";

/** A connection string that has been read: what the driver gets, and what may be shown. */
export interface DatabaseUrl {
  /** Contains the password. */
  readonly url: string;
  /** Folder of a Unix socket, from `?host=/folder`. */
  readonly socketFolder?: string;
  /** Without password and parameters. */
  readonly masked: string;
}

const EXPECTED = '"postgres://user:password@host:5432/database"';

/** Reads `DATABASE_URL`. Messages never repeat the text itself, because it may contain a password in any place. */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw invalid("got something that is not a URL");
  }
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    throw invalid(`got a URL that starts with "${url.protocol}"`);
  }
  if (url.pathname.length < 2) throw invalid("got a URL without a database name");
  const user = url.username === "" ? "" : `${url.username}${url.password === "" ? "" : ":***"}@`;
  const masked = `${url.protocol}//${user}${url.host}${url.pathname}`;
  const host = url.searchParams.get("host");
  if (host === null) return { url: url.href, masked };
  if (!host.startsWith("/")) throw invalid(`got the parameter host="${host}", which must be a folder`);
  url.searchParams.delete("host");
  return { url: url.href, socketFolder: host, masked: `${masked}?host=${host}` };
}

function invalid(got: string): GatewayError {
  return new GatewayError("config_invalid", `Cannot read DATABASE_URL: expected ${EXPECTED}, ${got}`);
}
