/**
 * Worker entry of the demo server: starts acme on a free loopback port and posts `{ url }` once. The gateway starts it
 * with `new Worker(new URL("../demo/acme_worker.ts", import.meta.url), { type: "module" })`, so that the demo shares no
 * memory with it; `terminate()` ends it.
 */
import { startAcme } from "./acme_server.ts";

interface WorkerScope {
  postMessage(message: unknown): void;
}

(globalThis as unknown as WorkerScope).postMessage({
  url: startAcme({ hostname: "127.0.0.1", port: 0 }).url,
});
