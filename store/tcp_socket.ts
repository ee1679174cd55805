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
  /**
   * Notes which sockets owe an answer, and destroys those that a call at least `silentMs` ago has noted and that have
   * answered nothing since. To be called when queries overrun: in a black hole they keep doing so.
   */
  closeSilent(silentMs: number, nowMs?: number): number;
}

interface Watched {
  /** Counters of the socket when it was last seen to have read something new. */
  read: number;
  written: number;
  owingSinceMs: number | undefined;
}

/**
 * Sockets without Nagle's delay. They are returned before they are connected: postgres.js then sees every failure as
 * an event; a factory that throws would lose it one place of its pool for good. A connection into a black hole never
 * fails by itself, and postgres.js would go on sending queries into it, hence `closeSilent`. It reads the counters of
 * the sockets, because postgres.js takes listeners of others away.
 */
export function createTcpSockets(): TcpSockets {
  const sockets = new Map<Socket, Watched>();
  let attempts = 0;
  const open = (target: SocketTarget): Socket => {
    for (const socket of sockets.keys()) if (socket.destroyed) sockets.delete(socket);
    const socket = new TcpSocket();
    sockets.set(socket, { read: 0, written: 0, owingSinceMs: undefined });
    connect(socket, target, attempts++);
    return socket;
  };
  const closeSilent = (silentMs: number, nowMs = performance.now()): number => {
    let closed = 0;
    for (const [socket, watched] of sockets) {
      if (socket.destroyed || !isSilent(socket, watched, silentMs, nowMs)) continue;
      socket.destroy();
      closed++;
    }
    return closed;
  };
  return { open, closeSilent };
}

function isSilent(socket: Socket, watched: Watched, silentMs: number, nowMs: number): boolean {
  if (socket.bytesRead !== watched.read) {
    Object.assign(watched, { read: socket.bytesRead, written: socket.bytesWritten, owingSinceMs: undefined });
  }
  if (socket.bytesWritten === watched.written) return false;
  watched.owingSinceMs ??= nowMs;
  return nowMs - watched.owingSinceMs >= silentMs;
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
