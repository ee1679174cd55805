import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import type { LinkedRequest } from "../linked_request.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import { createFrameSeal, type NumberedFrame } from "./relay_frames.ts";
import { type RelayStore, ReplicaRelay } from "./replica_relay.ts";

async function makeSeal() {
  const algorithm = { name: "AES-GCM", length: 256 };
  const key = await crypto.subtle.generateKey(algorithm, false, ["encrypt", "decrypt"]);
  return createFrameSeal({ active: "k1", keys: new Map([["k1", key as CryptoKey]]) });
}

/** A table in memory, with the wake-up that PostgreSQL gives. */
function table() {
  const rows: { id: number; receiver: string; exchange: string; sealed: string }[] = [];
  const wakes: ((receiver: string) => void)[] = [];
  const dead = new Set<string>();
  let next = 0;
  const store: RelayStore = {
    send: (_tenant, receiver, exchange, sealed) => {
      rows.push({ id: ++next, receiver, exchange, sealed });
      queueMicrotask(() => wakes.forEach((wake) => wake(receiver)));
      return Promise.resolve(next);
    },
    take: (receiver, most) => {
      const taken = rows.filter((row) => row.receiver === receiver).slice(0, most);
      for (const row of taken) rows.splice(rows.indexOf(row), 1);
      return Promise.resolve(taken);
    },
    withdraw: (message) => {
      const at = rows.findIndex(({ id }) => id === message);
      if (at >= 0) rows.splice(at, 1);
      return Promise.resolve(at >= 0);
    },
    prune: () => Promise.resolve(0),
    isAlive: (replica) => Promise.resolve(!dead.has(replica)),
    listen: (onFrame) => Promise.resolve(void wakes.push(onFrame)),
  };
  return { store, rows, dead };
}

async function twoReplicas(serve: (upstream: string, request: LinkedRequest) => Promise<Response>) {
  const shared = table();
  const seal = await makeSeal();
  const relay = (replicaId: string) =>
    new ReplicaRelay({
      ...{ store: shared.store, seal, replicaId, serve, newId: () => crypto.randomUUID() },
      nowMs: () => Date.now(),
      onError: (error) => {
        throw error;
      },
    });
  const [one, two] = [relay("one"), relay("two")];
  await one.start();
  await two.start();
  return {
    ...{ ...shared, one, two, seal },
    close: async () => {
      one.close();
      two.close();
      await new Promise((resolve) => setTimeout(resolve, 20)); // until the last frames were opened
    },
  };
}

function post(changes: Partial<LinkedRequest> = {}): LinkedRequest {
  return {
    ...{ method: "POST", headers: new Headers({ "mcp-session-id": "s" }), body: new Uint8Array([1, 2, 255]) },
    ...{ signal: new AbortController().signal, caller: { tenant: "acme", blockIds: ["b"] }, ...changes },
  };
}

Deno.test("a relay carries request and answer as they are, and nothing of them can be read in the table", async () => {
  const seen: LinkedRequest[] = [];
  const { one, rows, store, close } = await twoReplicas(async (upstream, request) => {
    seen.push(request);
    await Promise.resolve();
    return new Response(`answer of ${upstream}`, { status: 404, headers: { "content-type": "text/x" } });
  });
  const sent: string[] = [];
  const send = store.send;
  store.send = (tenant, receiver, exchange, sealed) => {
    sent.push(sealed);
    return send(tenant, receiver, exchange, sealed);
  };
  const response = await one.send("two", "fs", post());
  assert.deepEqual([response.status, response.headers.get("content-type")], [404, "text/x"]);
  assert.equal(await response.text(), "answer of fs");
  assert.deepEqual([...seen[0]?.body ?? []], [1, 2, 255]);
  assert.equal(seen[0]?.headers.get("mcp-session-id"), "s");
  assert.equal(seen[0]?.caller?.tenant, "acme");
  assert.ok(sent.length >= 4 && sent.every((text) => !text.includes("answer") && !text.includes('fs"')));
  assert.equal(rows.length, 0);
  assert.equal(one.open, 0);
  await close();
});

Deno.test("a relay streams, and cancelling reaches the other replica", async () => {
  const aborted = Promise.withResolvers<void>();
  const { one, close } = await twoReplicas((_upstream, { signal }) => {
    signal.addEventListener("abort", () => aborted.resolve());
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("first")),
    });
    return Promise.resolve(new Response(body));
  });
  const agent = new AbortController();
  const response = await one.send("two", "fs", post({ signal: agent.signal }));
  const reader = response.body!.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "first");
  agent.abort();
  await assert.rejects(reader.read(), { code: "cancelled" });
  await aborted.promise;
  await close();
});

Deno.test("the next round of a call is decided where the client's credential is", async () => {
  const asked: JsonObject[] = [];
  const { one, close } = await twoReplicas(async (_upstream, { caller }) => {
    const refused = await caller?.decideAgain?.({ name: "Ada" });
    return Response.json(refused ?? { went: "on" });
  });
  const decideAgain = (answers: JsonObject) => {
    asked.push(answers);
    return Promise.resolve(asked.length === 1 ? undefined : { code: -31012, message: "no" });
  };
  const caller = { tenant: "acme", blockIds: ["b"], decideAgain };
  assert.deepEqual(await (await one.send("two", "fs", post({ caller }))).json(), { went: "on" });
  assert.equal((await (await one.send("two", "fs", post({ caller }))).json()).code, -31012);
  assert.deepEqual(asked, [{ name: "Ada" }, { name: "Ada" }]);
  await close();
});

Deno.test("a failure keeps its kind and code on the way", async () => {
  const { one, close } = await twoReplicas(() =>
    Promise.reject(new UpstreamFailure("upstream_failed", "cannot_start"))
  );
  await assert.rejects(one.send("two", "fs", post()), { kind: "upstream_failed", code: "cannot_start" });
  await close();
});

Deno.test("what a dead replica had is not found, and what it never took is taken back", async () => {
  const { one, two, dead, rows, close } = await twoReplicas(() => Promise.resolve(new Response()));
  dead.add("three");
  assert.equal((await one.send("three", "fs", post())).status, 404);
  // Its lease still runs, but nobody works there.
  two.close();
  assert.equal((await one.send("four", "fs", post())).status, 404);
  assert.equal(rows.length, 0);
  await close();
});

Deno.test("a frame that another installation sealed, or for another replica, is nothing", async () => {
  const frame = { kind: "end", number: 0 } as const;
  const seal = await makeSeal();
  const sealed = await seal.seal(frame, "one", "x");
  assert.deepEqual(await seal.open(sealed, "one", "x"), frame);
  assert.equal(await seal.open(sealed, "two", "x"), undefined);
  assert.equal(await seal.open(sealed, "one", "y"), undefined);
  assert.equal(await seal.open(sealed.replace(/.$/, "A"), "one", "y"), undefined);
});

Deno.test("a request that is put into the table once more is not served once more, and an old one not at all", async () => {
  let served = 0;
  const { one, store, close, seal } = await twoReplicas(() => {
    served++;
    return Promise.resolve(new Response("done"));
  });
  const requests: { exchange: string; sealed: string }[] = [];
  const send = store.send;
  store.send = (tenant, receiver, exchange, sealed) => {
    if (receiver === "two") requests.push({ exchange, sealed });
    return send(tenant, receiver, exchange, sealed);
  };
  await (await one.send("two", "fs", post())).text();
  for (const { exchange, sealed } of requests) await send("acme", "two", exchange, sealed);
  const old: NumberedFrame = {
    ...{ from: "one", upstream: "fs", headers: [], tenant: "acme", blockIds: ["b"] },
    ...{ kind: "request", method: "POST", number: 0, sentAtMs: Date.now() - 61_000 },
  };
  await send("acme", "two", "old", await seal.seal(old, "two", "old"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(served, 1);
  await close();
});

Deno.test("an answer with a missing piece is no answer", async () => {
  const { one, store, close } = await twoReplicas(() => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const text of ["one", "two", "three"]) controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      },
    });
    return Promise.resolve(new Response(body));
  });
  const { send } = store;
  let toOne = 0;
  store.send = (tenant, receiver, exchange, sealed) =>
    receiver === "one" && ++toOne === 4 ? Promise.resolve(0) : send(tenant, receiver, exchange, sealed);
  const response = await one.send("two", "fs", post());
  await assert.rejects(response.text(), { kind: "unknown", code: "relay_failed" });
  assert.equal(one.open, 0);
  await close();
});

Deno.test("a request that is taken back at once never overtakes itself", async () => {
  const { one, two, store, close } = await twoReplicas(() =>
    Promise.resolve(new Response(new ReadableStream()))
  );
  const { send } = store;
  let isFirst = true;
  store.send = async (...row) => {
    if (isFirst) {
      isFirst = false;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return await send(...row);
  };
  const agent = new AbortController();
  const sending = one.send("two", "fs", post({ method: "GET", signal: agent.signal }));
  await new Promise((resolve) => setTimeout(resolve, 5));
  agent.abort();
  await assert.rejects(sending, { code: "cancelled" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(two.open, 0);
  await close();
});

Deno.test("an exchange whose cancellation was lost ends at its owner with the next frame", async () => {
  let isAborted = false;
  let timer: ReturnType<typeof setInterval> | undefined;
  const { one, two, store, close } = await twoReplicas((_upstream, { signal }) => {
    signal.addEventListener("abort", () => isAborted = true);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        timer = setInterval(() => controller.enqueue(new TextEncoder().encode(":")), 10);
      },
      cancel: () => clearInterval(timer),
    });
    return Promise.resolve(new Response(body));
  });
  const agent = new AbortController();
  const response = await one.send("two", "fs", post({ method: "GET", signal: agent.signal }));
  const { send } = store;
  store.send = (tenant, receiver, exchange, sealed) =>
    receiver === "two" ? Promise.reject(new Error("no database")) : send(tenant, receiver, exchange, sealed);
  agent.abort();
  await assert.rejects(response.text(), { code: "cancelled" });
  store.send = send;
  for (let tries = 0; two.open > 0 && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  clearInterval(timer);
  assert.deepEqual([isAborted, one.open, two.open], [true, 0, 0]);
  await close();
});

Deno.test("a request that could not be taken back is cancelled at its owner", async () => {
  const { one, two, store, close } = await twoReplicas(() =>
    Promise.resolve(new Response(new ReadableStream()))
  );
  const { send } = store;
  // The owner takes it, but its answers do not come.
  store.send = (tenant, receiver, exchange, sealed) =>
    receiver === "one" ? Promise.resolve(0) : send(tenant, receiver, exchange, sealed);
  store.withdraw = () => Promise.reject(new Error("no database"));
  await assert.rejects(one.send("two", "fs", post({ method: "GET" })), { code: "relay_failed" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(two.open, 0);
  await close();
});
