import assert from "node:assert/strict";
import type { Terminal } from "./command.ts";
import { runCommand } from "./run.ts";

/** A gateway of a few lines, and what was printed by a command that asked it. */
async function asking(answer: (number: number) => Response, ...args: readonly string[]) {
  const requests: { readonly url: string; readonly lastEventId: string | null }[] = [];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    requests.push({ url: request.url, lastEventId: request.headers.get("last-event-id") });
    return answer(requests.length);
  });
  const lines = { out: [] as string[], err: [] as string[] };
  const terminal: Terminal = {
    env: { INTENTGATE_URL: `http://127.0.0.1:${server.addr.port}`, INTENTGATE_OPERATOR_TOKEN: "igo_test" },
    readTextFile: () => Promise.reject(new Deno.errors.NotFound()),
    ...{ print: (text) => void lines.out.push(text), complain: (text) => void lines.err.push(text) },
    ...{ readInput: () => Promise.resolve(""), inputIsTyped: () => false },
  };
  const code = await runCommand(args, terminal);
  return { code, ...lines, requests };
}

const stream = (text: string) => new Response(text, { headers: { "content-type": "text/event-stream" } });
const event = (n: number) =>
  `id: ${n}\ndata: {"actor":{"app_name":"bot"},"metadata":{"event_code":"call.decided"},"n":${n},"time":0}\n\n`;
const refusal = (status: number) =>
  Response.json({ type: "urn:intentgate:problem:x", title: "x", status, detail: "no" }, { status });

Deno.test("audit tail comes again after a break and goes on after the last event, without missing or repeating one", async () => {
  const answers = [
    stream(`retry: 1\n\n${event(4)}${event(5)}id: 6\nda`),
    refusal(503),
    stream(`: nothing new\nid: 8\n\n`),
    stream(`${event(9)}id: 10\nevent: pruned\ndata: ${"ab".repeat(32)}\n\n${event(11)}`),
  ];
  const { code, out, err, requests } = await asking(
    (number) => answers[number - 1] ?? assert.fail(),
    ...["audit", "tail", "--tenant", "acme", "--after", "3", "--limit", "4", "--agent", "bot"],
  );
  assert.equal(code, 0, err.join("\n"));
  assert.deepEqual(out, [
    "4  1970-01-01T00:00:00Z  call.decided  bot",
    "5  1970-01-01T00:00:00Z  call.decided  bot",
    "9  1970-01-01T00:00:00Z  call.decided  bot",
    `10  pruned, its leaf hash is ${"ab".repeat(32)}`,
  ]);
  assert.deepEqual(requests.map(({ lastEventId }) => lastEventId), [null, "5", "5", "8"]);
  for (const { url } of requests) assert.match(url, /\/audit\/stream\?tenant=acme&agent=bot&after=3$/);
  assert.deepEqual(err, ["The connection broke; going on after event 5"]);
});

Deno.test("audit tail ends when asking again would not help", async () => {
  for (const status of [401, 404, 422]) {
    const { code, err } = await asking(
      (number) => number === 1 ? stream(`retry: 1\n\n${event(1)}`) : refusal(status),
      ...["audit", "tail"],
    );
    assert.equal(code, 1);
    assert.match(err.join("\n"), new RegExp(`refused with status ${status}`));
  }
  const { code, requests } = await asking(() => refusal(503), ...["audit", "tail"]);
  assert.deepEqual([code, requests.length], [1, 1], "what never worked is no break");
});

Deno.test("audit tail --json prints canonical lines, audit search pages through what was found", async () => {
  const tail = await asking(() => stream(event(1)), ...["audit", "tail", "--json", "--limit", "1"]);
  assert.deepEqual(tail.out, [event(1).split("data: ")[1]?.trimEnd()]);
  const page = (seqs: readonly number[], next: number | null) =>
    Response.json({ events: seqs.map((seq) => ({ seq, event: { time: 0 } })), next_after: next });
  const answers = [page([9, 8], 8), page([], 5), page([4], null)];
  const line = [
    "--block-id",
    "b",
    "--call",
    "d",
    "--event",
    "k",
    "--from",
    "2027-01-01",
    "--to",
    "2027-01-02T00:00Z",
  ];
  const { code, out, requests } = await asking(
    (number) => answers[number - 1] ?? assert.fail(),
    ...["audit", "search", ...line],
  );
  assert.equal(code, 0);
  assert.deepEqual(out.map((row) => row.split(" ")[0]), ["SEQ", "9", "8", "4"]);
  const [first, second] = requests.map(({ url }) => new URL(url).searchParams);
  assert.deepEqual(Object.fromEntries(first ?? []), {
    ...{ tenant: "default", block_id: "b", decision_id: "d", event_code: "k", limit: "100" },
    ...{ from_time: "1798761600", to_time: "1798848000" },
  });
  assert.deepEqual([second?.get("after"), second?.get("limit")], ["8", "98"]);
});
