import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import type { Arrival, FrontParts } from "../arrival.ts";
import { upstreamOf } from "../front_fixture.ts";
import type { RequestMessage } from "../message.ts";
import type { Admitted } from "../port.ts";
import { exchangeWith, type ResolvedUpstream } from "../upstream_connection.ts";
import { createUpstreamLoads } from "../upstream_load.ts";
import { listPage } from "./aggregate_lists.ts";

const clock = { nowMs: () => 0 };
const message: RequestMessage = {
  ...{ kind: "request", id: 1, method: "prompts/list", params: {} },
  bytes: new Uint8Array(),
};

/** Lists the prompts of upstreams, each of which answers with this result. */
function listing(results: Readonly<Record<string, JsonObject>>) {
  const loads = createUpstreamLoads({
    maxConcurrent: new Map(Object.keys(results).map((name) => [name, 1])),
    steadyMs: () => 0,
  });
  const upstreams: readonly ResolvedUpstream[] = Object.entries(results).map(([name, result]) => ({
    ...upstreamOf("http://localhost"),
    name,
    serve: () => Promise.resolve(Response.json({ jsonrpc: "2.0", id: 1, result })),
  }));
  const parts = { ...clock, loads } as unknown as FrontParts;
  const admitted = {
    tenant: "acme",
    listsNames: ({ names }: { names: readonly string[] }) => Promise.resolve(names.map(() => true)),
  } as unknown as Admitted;
  const list = () =>
    listPage(parts, message, {
      ...{ admitted, upstreams },
      arrivalAt: (upstream) => ({ origin: { upstream: upstream.name } }) as Arrival,
      ask: (upstream) => exchangeWith(upstream, { method: "POST" }, clock),
    });
  return { loads, list };
}

const prompt = { prompts: [{ name: "p" }] };
const ofA = '{"name":"a__p"}', ofB = '{"name":"b__p"}';

Deno.test("a list takes a place at each upstream, and leaves out who has none", async () => {
  const { loads, list } = listing({ a: prompt, b: prompt });
  loads.enter("a", "other");
  assert.deepEqual((await list()).items, [ofB]);
  loads.leave("a", "other");
  assert.deepEqual((await list()).items, [ofA, ofB]);
  assert.equal(loads.waiting(), 0);
});

Deno.test("an upstream with an endless cursor ends its own list and nobody else's", async () => {
  const { list } = listing({
    a: { ...prompt, nextCursor: "x".repeat(2_049) },
    b: { ...prompt, nextCursor: "2" },
  });
  const { items, nextCursor } = await list();
  assert.deepEqual(items, [ofA, ofB]);
  assert.equal(atob(nextCursor ?? ""), '{"b":"2"}');
});
