import { type Socket, Socket as TcpSocket } from "node:net";

/** What postgres.js hands to its `socket` option: the options it parsed. */
export interface SocketTarget {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path?: string | false | undefined;
}

/** Opens sockets for postgres.js and knows which of them have gone silent. */
export interface TcpSockets {
  readonly open: (target: SocketTarget) => Socket;
  /** Destroys sockets on which something was sent at least `silentMs` ago and nothing has come back since. */
  closeSilent(silentMs: number, nowMs?: number): number;
}

/**
 * Sockets without Nagle's delay. They are returned before they are connected: postgres.js then sees every failure as
 * an event; a factory that throws would lose it one place of its pool for good. A connection into a black hole never
 * fails by itself, and postgres.js would go on sending queries into it, hence `closeSilent`.
 */
export function createTcpSockets(): TcpSockets {
  const waitingSinceMs = new Map<Socket, number | undefined>();
  let attempts = 0;
  const open = (target: SocketTarget): Socket => {
    const socket = new TcpSocket();
    waitingSinceMs.set(socket, undefined);
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    socket.write = (...args: unknown[]): boolean => {
      if (waitingSinceMs.get(socket) === undefined) waitingSinceMs.set(socket, Date.now());
      return write(...args);
    };
    socket.on("data", () => waitingSinceMs.set(socket, undefined));
    socket.once("close", () => waitingSinceMs.delete(socket));
    connect(socket, target, attempts++);
    return socket;
  };
  const closeSilent = (silentMs: number, nowMs = Date.now()): number => {
    let closed = 0;
    for (const [socket, since] of waitingSinceMs) {
      if (since === undefined || nowMs - since < silentMs) continue;
      socket.destroy();
      closed++;
    }
    return closed;
  };
  return { open, closeSilent };
}

function connect(socket: Socket, target: SocketTarget, attempt: number): void {
  if (typeof target.path === "string") {
    socket.connect(target.path);
    return;
  }
  const index = attempt % target.host.length;
  const host = target.host[index] ?? "localhost";
  // postgres.js reads the name for TLS from here.
  Object.assign(socket, { host });
  socket.once("connect", () => socket.setNoDelay(true));
  socket.connect({ host, port: Number(target.port[index] ?? 5432) });
}
