/**
 * The worker that holds the embedded database, so that its queries never block the main thread. An entry point: it is
 * started by `embedded.ts` and waits for messages. One message is worked on at a time.
 */
import { PGlite } from "@electric-sql/pglite";
import type { FromWorker, ToWorker } from "./embedded_messages.ts";
import { concat } from "./wire_frames.ts";
import { WireSession } from "./wire_session.ts";

interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
}

class EmbeddedWorker {
  readonly #scope: WorkerScope;
  #database: PGlite | undefined;
  #session: WireSession | undefined;

  constructor(scope: WorkerScope) {
    this.#scope = scope;
  }

  handle(message: ToWorker): void {
    if (message.kind === "start") {
      this.#start(message.folder, message.idleTransactionMs).catch((error) =>
        this.#post({ kind: "failed", message: error instanceof Error ? error.message : String(error) })
      );
    } else if (message.kind === "stop") void this.#stop();
    else if (message.kind === "open") this.#session?.open(message.connection);
    else if (message.kind === "close") this.#session?.close(message.connection);
    else this.#session?.receive(message.connection, message.bytes);
  }

  async #start(folder: string, idleTransactionMs: number): Promise<void> {
    const database = await openSeeded(folder);
    this.#database = database;
    this.#session = new WireSession({
      execute: (bytes) => execute(database, bytes),
      send: (connection, bytes) => this.#post({ kind: "data", connection, bytes }, [bytes.buffer]),
      onClosed: (connection) => this.#post({ kind: "closed", connection }),
      idleTransactionMs,
    });
    this.#post({ kind: "started" });
  }

  async #stop(): Promise<void> {
    this.#session = undefined;
    await this.#database?.close().catch(() => {});
    this.#post({ kind: "stopped" });
  }

  #post(message: FromWorker, transfer: Transferable[] = []): void {
    this.#scope.postMessage(message, transfer);
  }
}

/**
 * Opens the database in `folder`; the first time it unpacks an initialised, empty cluster there. The mark beside the
 * folder exists only while that happens: a start that was killed half-way begins again, and a finished database is
 * never thrown away.
 */
async function openSeeded(folder: string): Promise<PGlite> {
  const mark = `${folder}.seeding`;
  if (await exists(mark)) await Deno.remove(folder, { recursive: true }).catch(ignoreMissing);
  else if (await exists(`${folder}/PG_VERSION`)) return await PGlite.create({ dataDir: folder });
  await Deno.writeFile(mark, new Uint8Array(0), { mode: 0o600 });
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const { default: seed } = await import("./embedded_seed.tar.gz", { with: { type: "bytes" } });
  const loadDataDir = new Blob([seed], { type: "application/gzip" });
  const database = await PGlite.create({ dataDir: folder, loadDataDir });
  await Deno.remove(mark);
  return database;
}

async function execute(database: PGlite, bytes: Uint8Array): Promise<Uint8Array> {
  // The chunks are views into the memory of the database and change with its next step: copy. (`execProtocolRaw` would
  // keep every message of every answer for ever.)
  const chunks: Uint8Array[] = [];
  await database.execProtocolRawStream(bytes, {
    syncToFs: false,
    onRawData: (chunk) => void chunks.push(chunk.slice()),
  });
  return concat(chunks);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    ignoreMissing(error);
    return false;
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

const scope = self as unknown as WorkerScope;
const worker = new EmbeddedWorker(scope);
scope.onmessage = (event) => worker.handle(event.data);
