import { GatewayError } from "../core/errors.ts";

/** A connection string that has been read: what the driver gets, and what may be shown. */
export interface DatabaseUrl {
  /** Contains the password. */
  readonly url: string;
  /** Folder of a Unix socket, from `?host=/folder`. */
  readonly socketFolder?: string;
  /** Without password and parameters. */
  readonly masked: string;
  readonly user: string | undefined;
}

const EXPECTED = '"postgres://user:password@host:5432/database"';

/** Reads `DATABASE_URL` or another `variable`. Messages never repeat the text itself, because it may contain a password in any place. */
export function parseDatabaseUrl(text: string, variable = "DATABASE_URL"): DatabaseUrl {
  const invalid = (got: string) =>
    new GatewayError("config_invalid", `Cannot read ${variable}: expected ${EXPECTED}, ${got}`);
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
  let user: string | undefined;
  try {
    user = url.username === "" ? undefined : decodeURIComponent(url.username);
  } catch {
    throw invalid("got a user name with a broken % escape");
  }
  const shown = url.username === "" ? "" : `${url.username}${url.password === "" ? "" : ":***"}@`;
  const masked = `${url.protocol}//${shown}${url.host}${url.pathname}`;
  const host = url.searchParams.get("host");
  if (host === null) return { url: url.href, masked, user };
  if (!host.startsWith("/")) throw invalid(`got the parameter host="${host}", which must be a folder`);
  url.searchParams.delete("host");
  return { url: url.href, socketFolder: host, masked: `${masked}?host=${host}`, user };
}
