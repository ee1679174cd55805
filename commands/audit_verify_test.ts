import assert from "node:assert/strict";
import type { Terminal } from "./command.ts";
import { runCommand } from "./run.ts";

/** Runs `audit verify` against a gateway that gives these answers one after the other. */
async function verifying(answers: readonly (() => Response)[]) {
  const since: (string | null)[] = [];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    since.push(new URL(request.url).searchParams.get("since"));
    return (answers[since.length - 1] ?? assert.fail("asked too often"))();
  });
  const lines = { out: [] as string[], err: [] as string[] };
  const terminal: Terminal = {
    env: { INTENTGATE_URL: `http://127.0.0.1:${server.addr.port}`, INTENTGATE_OPERATOR_TOKEN: "igo_test" },
    readTextFile: () => Promise.reject(new Deno.errors.NotFound()),
    ...{ print: (text) => void lines.out.push(text), complain: (text) => void lines.err.push(text) },
    ...{ readInput: () => Promise.resolve(""), inputIsTyped: () => false },
  };
  const code = await runCommand(["audit", "verify", "--tenant", "acme"], terminal);
  return { code, ...lines, since };
}

function stream(last: number, places: readonly number[], report: object): Response {
  const messages = [
    ": verifying\n\n",
    ...places.map((seq) => `event: progress\ndata: ${JSON.stringify({ seq, last })}\n\n`),
    `event: report\ndata: ${JSON.stringify(report)}\n\n`,
  ];
  return new Response(messages.join(""), { headers: { "content-type": "text/event-stream" } });
}

const report = (verdict: string, more: object = {}) => ({
  ...{ tenant: "acme", verdict, first: 1, events: 0, last: 1_000, head: { seq: 1_000, hash: "ab" } },
  ...more,
});

Deno.test("audit verify tells how far it is, in a line for every twentieth of the record at most", async () => {
  const places = Array.from({ length: 1_000 }, (_, at) => at + 1);
  const whole = report("verified", { events: 1_000 });
  const { code, out, err, since } = await verifying([() => stream(1_000, [0, ...places], whole)]);
  assert.deepEqual([code, since], [0, [null]]);
  assert.deepEqual(
    err,
    Array.from({ length: 20 }, (_, at) => `Recomputed up to event ${50 * (at + 1)} of 1000`),
  );
  assert.match(out.join(), /is verified: 1000 events/);
});

Deno.test("audit verify goes on where the gateway's time ran out, as long as that leads further", async () => {
  const short = (first: number, size: number) =>
    report("unproven", { first, events: size, verified_to: { size, note: `note ${size}` } });
  const { code, out, err, since } = await verifying([
    () => stream(1_000, [400], short(1, 400)),
    () => Response.json(short(401, 800)),
    () => Response.json(report("verified", { first: 801, events: 200 })),
  ]);
  assert.deepEqual([code, since], [0, [null, "note 400", "note 800"]]);
  assert.match(out.join(), /is verified: 1000 events/);
  assert.equal(err.at(-1), "Verified up to event 800 of 1000, going on");
  const stuck = await verifying([() => Response.json(short(1, 400)), () => Response.json(short(401, 400))]);
  assert.equal(stuck.code, 3);
});
