import assert from "node:assert/strict";
import type { LinkedRequest } from "../linked_request.ts";
import type { NumberedFrame, RequestFrame } from "./relay_frames.ts";
import { ServedExchange } from "./served_exchange.ts";

const frame: RequestFrame = {
  ...{ kind: "request", from: "one", upstream: "fs", method: "POST", headers: [], sentAtMs: 0 },
  ...{ tenant: "acme", blockIds: ["b"] },
};
const cancel: NumberedFrame = { kind: "cancel", number: 1 };

interface Served {
  readonly serve: (request: LinkedRequest) => Promise<Response>;
  /** Called before a frame is sent. */
  readonly onSend?: (frame: NumberedFrame, exchange: ServedExchange) => void | Promise<void>;
}

/** Runs an exchange; gives the frames that it sent. */
async function run({ serve, onSend }: Served): Promise<NumberedFrame[]> {
  const sent: NumberedFrame[] = [];
  const exchange: ServedExchange = new ServedExchange({
    frame,
    serve: (_upstream, request) => serve(request),
    send: async (answer) => {
      await onSend?.(answer, exchange);
      sent.push(answer);
    },
    onEnd: () => {},
    onError: () => {},
  });
  await exchange.run();
  return sent;
}

/** A stream that never ends by itself. */
function endless() {
  const cancelled = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array([1])),
    cancel: () => cancelled.resolve(),
  });
  return { body, cancelled: cancelled.promise };
}

Deno.test("a request that is taken back before it runs does not run", async () => {
  let hasRun = false;
  const sent = await run({
    serve: () => {
      hasRun = true;
      return Promise.resolve(new Response());
    },
    onSend: ({ kind }, exchange) => kind === "accepted" ? exchange.receive(cancel) : undefined,
  });
  assert.equal(hasRun, false);
  assert.deepEqual(sent.map(({ kind }) => kind), ["accepted", "failed"]);
});

Deno.test("a stream is cancelled when its client goes before the first byte was sent", async () => {
  const { body, cancelled } = endless();
  await run({
    serve: () => Promise.resolve(new Response(body)),
    onSend: ({ kind }, exchange) => kind === "head" ? exchange.receive(cancel) : undefined,
  });
  await cancelled;
});

Deno.test("a stream that cannot be sent is cancelled", async () => {
  const { body, cancelled } = endless();
  const sent = await run({
    serve: () => Promise.resolve(new Response(body)),
    onSend: ({ kind }) => {
      if (kind === "data") throw new Error("no database");
    },
  });
  await cancelled;
  assert.equal(sent.at(-1)?.kind, "failed");
});

Deno.test("a client that goes while it is asked for the next round ends that round, and no process", async () => {
  let ended: unknown;
  await run({
    serve: async ({ caller }) => {
      ended = await caller?.decideAgain?.({}).catch((error) => error);
      return new Response();
    },
    onSend: async ({ kind }, exchange) => {
      if (kind !== "decide") return;
      exchange.receive(cancel);
      await new Promise((resolve) => setTimeout(resolve, 10));
    },
  });
  assert.equal((ended as { code?: string }).code, "cancelled");
});

Deno.test("a frame that is missing, or comes twice, ends the exchange", async () => {
  for (const number of [0, 2]) {
    const aborted = Promise.withResolvers<void>();
    await run({
      serve: ({ signal, caller }) => {
        signal.addEventListener("abort", () => aborted.resolve());
        return caller?.decideAgain?.({}).then(() => new Response()) ?? Promise.reject();
      },
      onSend: ({ kind }, exchange) =>
        kind === "decide" ? exchange.receive({ kind: "decided", number }) : undefined,
    });
    await aborted.promise;
  }
});
