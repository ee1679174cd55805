import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import type { LinkAnswer, LinkRequest } from "../upstream_link.ts";
import { fakeLink, requestOf, resultOf, until } from "./link_fixture.ts";
import {
  type BridgedAnswer,
  type CallOwner,
  type ModernClientRequest,
  ParkedCalls,
  type ParkedCallsOptions,
} from "./parked_calls.ts";

const ALL = { elicitation: {}, sampling: {}, roots: {} };

/** A legacy upstream that does what a test says, and a lease that tells whether it was given back. */
function setup(
  answer: (request: LinkRequest) => Promise<LinkAnswer>,
  options: Partial<ParkedCallsOptions> = {},
) {
  let ids = 0;
  let released = 0;
  const parked = new ParkedCalls({ newId: () => `id-${++ids}`, ...options });
  const lease = () => ({ link: fakeLink("legacy", answer), release: () => void released++ });
  return { parked, lease, released: () => released };
}

function ownerOf(rootBlockId: string, tenant = "acme"): CallOwner {
  return { tenant, blockIds: [rootBlockId], upstream: "fs", method: "tools/call" };
}

function call(changes: Partial<ModernClientRequest> = {}): ModernClientRequest {
  const client = { capabilities: ALL, traceHeaders: {} };
  return {
    ...requestOf("tools/call", { params: { name: "t" }, client }),
    owner: ownerOf("alice"),
    ...changes,
  };
}

const retry = (inputResponses: JsonObject, changes: Partial<ModernClientRequest> = {}) =>
  call({ params: { name: "t", inputResponses, requestState: "sealed" }, ...changes });

function parkedOf(answer: BridgedAnswer | undefined) {
  assert.ok(answer?.kind === "parked");
  return { id: answer.parkedId ?? "", inputRequests: answer.inputRequests };
}

/** Asks for a name and then for a colour. */
const curious = async (request: LinkRequest): Promise<LinkAnswer> => {
  const signal = new AbortController().signal;
  const ask = (message: string) => request.onServerRequest?.("elicitation/create", { message }, signal);
  const [name, greeting] = await Promise.all([
    ask("name?"),
    request.onServerRequest?.("sampling/createMessage", { messages: [] }, signal),
  ]);
  const colour = await ask("colour?");
  return resultOf({ content: [], name, greeting, colour } as JsonObject);
};

Deno.test("ParkedCalls parks a call that asks, and goes on with the answers until it is done", async () => {
  const { parked, lease, released } = setup(curious);
  const first = parkedOf(await parked.request(lease(), call()));
  assert.deepEqual(first.inputRequests, {
    ask_1: { method: "elicitation/create", params: { message: "name?", mode: "form" } },
    ask_2: { method: "sampling/createMessage", params: { messages: [] } },
  });
  assert.deepEqual([parked.size, released()], [1, 0]);
  // One answer is missing: only that one is asked for again.
  const second = parkedOf(await parked.resume(first.id, retry({ ask_1: { action: "accept" }, other: {} })));
  assert.deepEqual(Object.keys(second.inputRequests), ["ask_2"]);
  const third = parkedOf(await parked.resume(second.id, retry({ ask_2: { role: "assistant" } })));
  assert.deepEqual(Object.keys(third.inputRequests), ["ask_3"]);
  const done = await parked.resume(third.id, retry({ ask_3: { action: "decline" } }));
  assert.ok(done?.kind === "result");
  assert.equal(done.result.resultType, "complete");
  assert.deepEqual(done.result.name, { action: "accept" });
  assert.deepEqual([parked.size, released()], [0, 1]);
});

Deno.test("ParkedCalls gives a call to its owner only, and each id once", async () => {
  const { parked, lease } = setup(curious);
  const { id } = parkedOf(await parked.request(lease(), call()));
  assert.equal(await parked.resume(id, retry({}, { owner: ownerOf("mallory") })), undefined);
  assert.equal(await parked.resume("id-99", retry({})), undefined);
  const next = parkedOf(await parked.resume(id, retry({})));
  assert.notEqual(next.id, id);
  assert.equal(await parked.resume(id, retry({})), undefined);
  parked.close();
  assert.equal(await parked.resume(next.id, retry({})), undefined);
});

/** Hangs in a question until the call is given up. */
const hanging = (aborted: string[]) => (request: LinkRequest): Promise<LinkAnswer> =>
  new Promise((_, reject) => {
    request.signal.addEventListener("abort", () => {
      aborted.push("given up");
      reject(new Error("given up"));
    });
    request.onServerRequest?.("roots/list", {}, request.signal).catch(() => {});
  });

Deno.test("ParkedCalls gives up calls that nobody goes on with, and those of a revoked owner", async () => {
  const aborted: string[] = [];
  const { parked, lease, released } = setup(hanging(aborted), { parkedMs: 30 });
  parkedOf(await parked.request(lease(), call()));
  await until(() => aborted.length === 1, "the expiry");
  await until(() => released() === 1, "the release");
  parkedOf(await parked.request(lease(), call()));
  parked.endWhere(({ blockIds }) => blockIds[0] === "alice");
  await until(() => aborted.length === 2, "the end");
  assert.equal(parked.size, 0);
});

Deno.test("ParkedCalls holds a bounded number, of all and of one owner", async () => {
  const aborted: string[] = [];
  const { parked, lease } = setup(hanging(aborted), { maxParked: 3, maxPerOwner: 2 });
  const park = (owner: CallOwner) => parked.request(lease(), call({ owner })).then(parkedOf);
  const goesOn = (id: string, owner: CallOwner) =>
    parked.resume(id, call({ owner, params: { name: "t", inputResponses: {} } }));
  const [alice, bob, carol] = [ownerOf("alice"), ownerOf("bob"), ownerOf("carol", "other")];
  const ids: string[] = [];
  for (const owner of [alice, alice, bob]) ids.push((await park(owner)).id);
  // Of one owner's calls the oldest gives way, but nobody else's does.
  await park(alice);
  assert.deepEqual([parked.size, aborted.length], [3, 1]);
  // When all places are taken, the tenant that has the most loses its oldest.
  await park(carol);
  assert.deepEqual([parked.size, aborted.length], [3, 2]);
  assert.equal(await goesOn(ids[1] ?? "", alice), undefined);
  assert.equal((await goesOn(ids[2] ?? "", bob))?.kind, "parked");
  parked.close();
});

Deno.test("ParkedCalls cancels the call when the client that waits for it goes away", async () => {
  const aborted: string[] = [];
  const { parked, lease } = setup((request) =>
    new Promise((_, reject) =>
      request.signal.addEventListener("abort", () => {
        aborted.push("given up");
        reject(new Error("given up"));
      })
    )
  );
  const agent = new AbortController();
  const waiting = parked.request(lease(), call({ signal: agent.signal }));
  agent.abort();
  await assert.rejects(waiting);
  assert.equal(aborted.length, 1);
});

Deno.test("ParkedCalls asks nothing that the client does not offer, and bridges errors", async () => {
  const refused: string[] = [];
  const { parked, lease } = setup(async (request) => {
    await request.onServerRequest?.("sampling/createMessage", {}, request.signal).catch((error) =>
      refused.push(error.message)
    );
    return { kind: "error", error: { code: -32002, message: "gone" } };
  });
  const client = { capabilities: { elicitation: {} }, traceHeaders: {} };
  const answer = await parked.request(lease(), call({ client }));
  assert.deepEqual(answer, { kind: "error", error: { code: -32602, message: "gone" }, status: 200 });
  assert.deepEqual(refused, ["Method not found"]);

  const elicitations = [{ elicitationId: "e", url: "https://x.example/", message: "open" }];
  const url = setup(() =>
    Promise.resolve({ kind: "error", error: { code: -32042, message: "", data: { elicitations } } })
  );
  const mayOpen = { capabilities: { elicitation: { url: {} } }, traceHeaders: {} };
  const asked = await url.parked.request(url.lease(), call({ client: mayOpen }));
  assert.ok(asked.kind === "parked" && asked.parkedId === undefined);
  assert.equal((await url.parked.request(url.lease(), call({ client }))).kind, "error");
});

Deno.test("ParkedCalls sends progress to the request that waits at the moment", async () => {
  const { parked, lease } = setup(async (request) => {
    request.onProgress?.({ progress: 1 });
    await request.onServerRequest?.("roots/list", {}, request.signal);
    request.onProgress?.({ progress: 2 });
    return resultOf({});
  });
  const seen: unknown[] = [];
  const first = await parked.request(
    lease(),
    call({ onProgress: ({ progress }) => seen.push(["first", progress]) }),
  );
  await parked.resume(
    parkedOf(first).id,
    retry({ ask_1: { roots: [] } }, { onProgress: ({ progress }) => seen.push(["second", progress]) }),
  );
  assert.deepEqual(seen, [["first", 1], ["second", 2]]);
});

Deno.test("ParkedCalls sends nothing for a client that has gone", async () => {
  let asked = 0;
  const { parked, lease, released } = setup(() => {
    asked++;
    return Promise.resolve(resultOf({}));
  });
  const gone = new AbortController();
  gone.abort();
  await assert.rejects(parked.request(lease(), call({ signal: gone.signal })), {
    kind: "upstream_failed",
    code: "cancelled",
  });
  assert.deepEqual([asked, released(), parked.size], [0, 1, 0]);
});
