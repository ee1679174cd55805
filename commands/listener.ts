import { GatewayError } from "../core/errors.ts";

/** Host and port of a listener. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Parses `host:port` or `[ipv6]:port`; port 0 takes a free one. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const hostname = match?.[1] ?? match?.[2];
  if (hostname === undefined || port > 65_535) {
    throw new GatewayError(
      "config_invalid",
      `Cannot listen on "${text}": expected host:port, for example "127.0.0.1:8080"`,
    );
  }
  return { hostname, port };
}

/** URL under which this very machine reaches the listener. */
export function localUrl(address: ListenAddress): string {
  const anyHost = address.hostname === "0.0.0.0" || address.hostname === "::";
  const host = anyHost ? "127.0.0.1" : address.hostname;
  return `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}
