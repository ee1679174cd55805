/** Starts the demo tool server "acme" in a Worker, so that a first start has something to call. */
import { GatewayError } from "../core/errors.ts";

export interface DemoUpstream {
  readonly url: string;
  stop(): void;
}

const START_TIMEOUT_MS = 20_000;

/** Starts it on a free loopback port. */
export async function startDemoUpstream(): Promise<DemoUpstream> {
  const worker = new Worker(new URL("../demo/acme_worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const fail = (why: string) =>
    reject(new GatewayError("internal", `Cannot start the demo tool server: ${why}`));
  const timer = setTimeout(() => fail(`it was not ready within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
  worker.onmessage = (event: MessageEvent<{ readonly url?: string; readonly error?: string }>) => {
    if (typeof event.data.url === "string") resolve(event.data.url);
    else fail(String(event.data.error ?? "it did not say where it listens"));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(event.message);
  };
  try {
    return { url: await promise, stop: () => worker.terminate() };
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
