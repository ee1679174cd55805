/**
 * Ends connections that hold a place without using it: those whose first request does not come, those that have been
 * silent for long, and the least used ones when there are too many. A connection with a request under way stays.
 */
import type { AcceptedSocket, SocketTable } from "./socket_table.ts";

/** Why a connection was ended. */
export type CloseReason =
  | "slow_headers"
  | "silent"
  | "too_many"
  | "too_many_of_address"
  | "unread"
  | "unread_full";

export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxPerAddress: number;
  /** From being accepted to the end of the first request's headers. */
  readonly headerTimeoutMs: number;
  /** Without a request under way. */
  readonly silentTimeoutMs: number;
  /** The same after an answer that is a stream, which may still be open. */
  readonly streamTimeoutMs: number;
}

export interface ConnectionGuardOptions {
  readonly sockets: SocketTable;
  readonly limits: ConnectionLimits;
  /** A clock that never steps, milliseconds. */
  readonly steadyMs: () => number;
  readonly onClosed: (reason: CloseReason, count: number) => void;
}

export interface ConnectionGuard {
  /** Connections that come in on this port are watched from now on. */
  watch(localPort: number): void;
  /** A request has come on that connection; the answer is told to what it gives back. */
  begin(address: string, port: number): (response: Response | undefined) => void;
  /** The client of that connection does not read its answer, which was given up: the next look ends it. */
  giveUp(address: string, port: number, reason: "unread" | "unread_full"): void;
  /** Looks at all connections once; returns after how many milliseconds to look again. */
  sweep(): number;
  /** Connections at the last look. */
  open(): number;
}

interface Connection {
  lastMs: number;
  requests: number;
  underWay: number;
  quietLimitMs: number;
  seenInSweep: number;
  givenUp?: "unread" | "unread_full";
}

type Seen = readonly [AcceptedSocket, Connection];

const CALM_SWEEP_MS = 1_000;
/** With more than half of the connections in use. */
const BUSY_SWEEP_MS = 250;

/** Makes it; it looks only when `sweep` is called. */
export function createConnectionGuard(options: ConnectionGuardOptions): ConnectionGuard {
  const { sockets, limits, steadyMs } = options;
  const ports = new Set<number>();
  const connections = new Map<string, Connection>();
  let [sweeps, open] = [0, 0];
  const connectionOf = (key: string): Connection => {
    let connection = connections.get(key);
    if (connection === undefined) {
      connection = {
        ...{ lastMs: steadyMs(), requests: 0, underWay: 0, seenInSweep: sweeps },
        quietLimitMs: limits.headerTimeoutMs,
      };
      connections.set(key, connection);
    }
    return connection;
  };
  const close = (victims: readonly Seen[], reason: CloseReason): void => {
    for (const [socket] of victims) sockets.shutdown(socket);
    if (victims.length > 0) options.onClosed(reason, victims.length);
  };
  return {
    watch: (localPort) => void ports.add(localPort),
    begin: (address, port) => {
      const connection = connectionOf(`${address}|${port}`);
      connection.requests++;
      connection.underWay++;
      return (response) => {
        connection.underWay--;
        connection.lastMs = steadyMs();
        connection.quietLimitMs = isStream(response) ? limits.streamTimeoutMs : limits.silentTimeoutMs;
      };
    },
    giveUp: (address, port, reason) => {
      const connection = connections.get(`${address}|${port}`);
      if (connection !== undefined) connection.givenUp = reason;
    },
    sweep: () => {
      sweeps++;
      const seen = sockets.accepted(ports).map((socket): Seen => {
        const connection = connectionOf(`${socket.address}|${socket.port}`);
        connection.seenInSweep = sweeps;
        return [socket, connection];
      });
      for (const [key, { seenInSweep }] of connections) if (seenInSweep < sweeps) connections.delete(key);
      open = closeWhatMustGo(seen, limits, steadyMs(), close);
      return open * 2 > limits.maxConnections ? BUSY_SWEEP_MS : CALM_SWEEP_MS;
    },
    open: () => open,
  };
}

/** Returns how many connections stay. */
function closeWhatMustGo(
  seen: readonly Seen[],
  limits: ConnectionLimits,
  nowMs: number,
  close: (victims: readonly Seen[], reason: CloseReason) => void,
): number {
  const isLate = ([, { underWay, lastMs, quietLimitMs, givenUp }]: Seen) =>
    underWay === 0 && givenUp === undefined && nowMs - lastMs > quietLimitMs;
  for (const reason of ["unread", "unread_full"] as const) {
    close(seen.filter(([, { givenUp }]) => givenUp === reason), reason);
  }
  const late = seen.filter(isLate);
  close(late.filter(([, { requests }]) => requests === 0), "slow_headers");
  close(late.filter(([, { requests }]) => requests > 0), "silent");
  let left = seen.filter((one) => one[1].givenUp === undefined && !isLate(one));
  if (limits.maxPerAddress < limits.maxConnections && left.length > limits.maxPerAddress) {
    const greedy = [...byAddress(left).values()].flatMap((of) =>
      leastUsed(of, of.length - limits.maxPerAddress)
    );
    close(greedy, "too_many_of_address");
    const gone = new Set(greedy);
    left = left.filter((one) => !gone.has(one));
  }
  const surplus = leastUsed(left, left.length - limits.maxConnections);
  close(surplus, "too_many");
  return left.length - surplus.length;
}

function byAddress(seen: readonly Seen[]): ReadonlyMap<string, Seen[]> {
  const found = new Map<string, Seen[]>();
  for (const one of seen) {
    const of = found.get(one[0].address);
    if (of === undefined) found.set(one[0].address, [one]);
    else of.push(one);
  }
  return found;
}

/** Those that never had a request first, then those that have been silent longest; none with a request under way. */
function leastUsed(seen: readonly Seen[], count: number): readonly Seen[] {
  if (count <= 0) return [];
  const rank = ([, { requests }]: Seen) => requests === 0 ? 0 : 1;
  return seen.filter(([, { underWay }]) => underWay === 0)
    .sort((a, b) => rank(a) - rank(b) || a[1].lastMs - b[1].lastMs)
    .slice(0, count);
}

function isStream(response: Response | undefined): boolean {
  return response?.headers.get("content-type") === "text/event-stream";
}
