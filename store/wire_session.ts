import { ClientFrames, concat, readAnswer, simpleQuery, sync } from "./wire_frames.ts";

/** The one session of the database, and the way back to the clients. */
export interface WireSessionOptions {
  /** Runs whole client messages and returns everything the server answered. */
  readonly execute: (bytes: Uint8Array) => Promise<Uint8Array>;
  readonly send: (connection: number, bytes: Uint8Array<ArrayBuffer>) => void;
  /** The connection was ended from this side. */
  readonly onClosed: (connection: number) => void;
  /** How long a transaction may wait for its client before it is rolled back. */
  readonly idleTransactionMs: number;
}

interface Connection {
  readonly id: number;
  readonly frames: ClientFrames;
  /** Whole messages that wait for their turn. */
  readonly queue: { readonly startup: boolean; readonly bytes: Uint8Array }[];
}

const TERMINATE = 0x58; // X
const NO_ENCRYPTION = 0x4e; // N

/**
 * Lets many logical connections share the database's only session. Whoever has begun something (a transaction, or an
 * extended query that has not been synchronised) owns the session until the server says that it is idle again; the others
 * wait, in turn. A client that leaves, or falls silent inside a transaction, is rolled back.
 */
export class WireSession {
  readonly #options: WireSessionOptions;
  /** In the order of their turns. */
  readonly #connections = new Map<number, Connection>();
  #owner: number | undefined;
  #running = false;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(options: WireSessionOptions) {
    this.#options = options;
  }

  open(id: number): void {
    this.#connections.set(id, { id, frames: new ClientFrames(), queue: [] });
  }

  receive(id: number, bytes: Uint8Array): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    try {
      connection.frames.push(bytes);
      this.#enqueue(connection);
    } catch {
      this.#evict(id);
    }
    void this.#run();
  }

  close(id: number): void {
    if (this.#connections.delete(id)) void this.#run();
  }

  #enqueue(connection: Connection): void {
    for (let frame = connection.frames.take(); frame !== undefined; frame = connection.frames.take()) {
      if (frame.kind === "encryption") this.#options.send(connection.id, new Uint8Array([NO_ENCRYPTION]));
      else if (frame.kind === "cancel") this.#evict(connection.id);
      else connection.queue.push({ startup: frame.kind === "startup", bytes: frame.bytes });
    }
  }

  /** Serves until nobody's turn is left. When even a rollback fails the database is lost, and so is this worker. */
  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    clearTimeout(this.#silence);
    for (;;) {
      if (this.#owner !== undefined && !this.#connections.has(this.#owner)) await this.#rollBack();
      const next = this.#next();
      if (next === undefined) break;
      await this.#serve(next);
    }
    this.#running = false;
    this.#watchOwner();
  }

  #watchOwner(): void {
    const owner = this.#owner;
    if (owner === undefined) return;
    this.#silence = setTimeout(() => {
      this.#evict(owner);
      void this.#run();
    }, this.#options.idleTransactionMs);
  }

  #next(): Connection | undefined {
    if (this.#owner !== undefined) {
      const owner = this.#connections.get(this.#owner);
      return owner !== undefined && owner.queue.length > 0 ? owner : undefined;
    }
    for (const connection of this.#connections.values()) {
      if (connection.queue.length > 0) return connection;
    }
    return undefined;
  }

  async #serve(connection: Connection): Promise<void> {
    const message = connection.queue.shift();
    if (message === undefined) return;
    if (!message.startup && message.bytes[0] === TERMINATE) return this.#evict(connection.id);
    // To the end of the line: nobody starves the others.
    this.#connections.delete(connection.id);
    this.#connections.set(connection.id, connection);
    try {
      const answer = readAnswer(await this.#options.execute(message.bytes));
      this.#owner = answer.ready === "idle" || message.startup ? undefined : connection.id;
      if (answer.reply.length > 0) this.#options.send(connection.id, answer.reply);
      this.#notify(answer.notifications);
    } catch {
      this.#owner = connection.id;
      this.#evict(connection.id);
    }
  }

  /** The session listens once for all; each client drops the channels that it has not asked for. */
  #notify(notifications: Uint8Array<ArrayBuffer>): void {
    if (notifications.length === 0) return;
    for (const id of this.#connections.keys()) this.#options.send(id, concat([notifications]));
  }

  #evict(id: number): void {
    if (this.#connections.delete(id)) this.#options.onClosed(id);
  }

  async #rollBack(): Promise<void> {
    const answer = readAnswer(await this.#options.execute(concat([sync(), simpleQuery("ROLLBACK")])));
    this.#owner = undefined;
    this.#notify(answer.notifications);
  }
}
