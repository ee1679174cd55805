/** Counters of `max_calls`: how many a family of tokens may have, and how long they live. */
import assert from "node:assert/strict";
import { attenuateToken } from "../../core/token/attenuate.ts";
import { inspectToken } from "../../core/token/inspect.ts";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { createDatabaseTests } from "./databases.ts";
import { start } from "./gateways.ts";

const { testPostgres } = createDatabaseTests();

testPostgres("a holder who attenuates without end gets no counters without end", async (fixture) => {
  const upstream = startEffectServer();
  await using gateway = await start(fixture, { config: { upstreams: { effects: { url: upstream.url } } } });
  const { token, expires_at } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 7_200 });
  const root = inspectToken(token).blocks[0]!.id;
  const call = async (text: string) =>
    (await Agent.connect(gateway.url, "effects", text)).call("count", { n: 1 });
  const short = { max_calls: 5, exp: Math.floor(Date.now() / 1000) + 600 };
  const first = await attenuateToken(token, short);
  assert.equal(resultOf(await call(first)), "ok");

  const db = await fixture.open();
  const [row] = await db.sql<{ root: string; expires: number }[]>`
    SELECT root_block_id AS root, extract(epoch FROM expires_at)::int AS expires FROM call_counters`;
  assert.deepEqual({ ...row }, { root, expires: expires_at }, "it lives as long as the whole family");
  await db.sql`
    INSERT INTO call_counters (chain, block_id, root_block_id, used, expires_at)
    SELECT 'default', 'other-' || n, ${root}, 1, to_timestamp(${expires_at}) FROM generate_series(1, 999) n`;

  const refused = await call(await attenuateToken(token, { max_calls: 5 }));
  assert.deepEqual(refused.message.error.data.code, "too_many_counters");
  assert.equal(refused.message.error.code, -31013);
  assert.equal(resultOf(await call(first)), "ok", "what is counted already goes on");
  assert.equal(resultOf(await call(token)), "ok", "a token without a limit needs no counter");
  const other = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600, max_calls: 1 });
  assert.equal(resultOf(await call(other.token)), "ok", "other tokens have room of their own");
  assert.equal(upstream.effects.length, 4);
  await upstream.close();
});
