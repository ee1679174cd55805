import { GatewayError } from "../core/errors.ts";
import type { FromWorker, ToWorker } from "./embedded_messages.ts";
import { EmbeddedSocket } from "./embedded_socket.ts";
import { lockFolder } from "./folder_lock.ts";

/** A PostgreSQL inside this process, reached through sockets in memory. */
export interface Embedded {
  /** Opens one logical connection, for the `socket` option of postgres.js. */
  readonly connect: () => EmbeddedSocket;
  readonly close: () => Promise<void>;
}

/** How long a transaction may wait for its own next query; behind it all others wait. */
const IDLE_TRANSACTION_MS = 5_000;
const STOP_TIMEOUT_MS = 5_000;

/**
 * Opens the embedded database in `<dataDir>/database`, under the exclusive lock of the data folder. What it acknowledged
 * survives the death of this process, but not a power failure: it never waits for the disk.
 */
export async function openEmbedded(dataDir: string): Promise<Embedded> {
  const lock = await lockFolder(dataDir);
  const host = new WorkerHost();
  try {
    await host.start(`${dataDir}/database`);
  } catch (error) {
    host.terminate();
    lock.release();
    const detail = error instanceof Error ? error.message : String(error);
    throw new GatewayError(
      "database_unavailable",
      `Cannot open the database "${dataDir}/database": ${detail}`,
      {
        cause: error,
      },
    );
  }
  return {
    connect: () => host.connect(),
    close: async () => {
      await host.stop();
      lock.release();
    },
  };
}

class WorkerHost {
  readonly #worker = new Worker(new URL("./embedded_worker.ts", import.meta.url), { type: "module" });
  readonly #sockets = new Map<number, EmbeddedSocket>();
  readonly #started = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  #lastConnection = 0;
  #lost: Error | undefined;

  constructor() {
    this.#worker.onmessage = (event: MessageEvent<FromWorker>) => this.#handle(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault(); // otherwise the error would end the process
      this.#lose(new Error(event.message));
    };
    this.#started.promise.catch(() => {});
  }

  async start(folder: string): Promise<void> {
    this.#post({ kind: "start", folder, idleTransactionMs: IDLE_TRANSACTION_MS });
    await this.#started.promise;
  }

  connect(): EmbeddedSocket {
    const connection = ++this.#lastConnection;
    const socket = new EmbeddedSocket(
      (bytes) => this.#post({ kind: "data", connection, bytes }, [bytes.buffer]),
      () => {
        if (this.#sockets.delete(connection)) this.#post({ kind: "close", connection });
      },
    );
    this.#sockets.set(connection, socket);
    this.#post({ kind: "open", connection });
    // In a later turn, like a refused connection: postgres.js attaches its listeners only after this returns.
    if (this.#lost !== undefined) setTimeout(() => socket.destroy(this.#lost));
    return socket;
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#stopped.resolve(), STOP_TIMEOUT_MS);
    this.#post({ kind: "stop" });
    await this.#stopped.promise;
    clearTimeout(timer);
    this.terminate();
  }

  terminate(): void {
    this.#worker.terminate();
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    if (this.#lost === undefined) this.#worker.postMessage(message, transfer);
  }

  #handle(message: FromWorker): void {
    if (message.kind === "started") this.#started.resolve();
    else if (message.kind === "stopped") this.#stopped.resolve();
    else if (message.kind === "failed") this.#started.reject(new Error(message.message));
    else if (message.kind === "data") this.#sockets.get(message.connection)?.receive(message.bytes);
    else this.#sockets.get(message.connection)?.destroy();
  }

  /** The database is gone until the process starts again: every connection fails, now and later. */
  #lose(error: Error): void {
    this.#lost = Object.assign(new Error(`The embedded database ended: ${error.message}`), {
      code: "ECONNRESET",
    });
    this.#started.reject(this.#lost);
    this.#stopped.resolve();
    for (const socket of this.#sockets.values()) socket.destroy(this.#lost);
  }
}
