import assert from "node:assert/strict";
import { GatewayError } from "../core/errors.ts";
import { AdminClient } from "./admin_client.ts";
import { type Terminal, UsageError } from "./command.ts";

function terminalWith(env: Record<string, string>): Terminal {
  return {
    env: { INTENTGATE_OPERATOR_TOKEN: "igo_secret", ...env },
    readTextFile: () => Promise.reject(new Deno.errors.NotFound("no such file")),
    ...{
      print: () => {},
      complain: () => {},
      readInput: () => Promise.resolve(""),
      inputIsTyped: () => false,
    },
  };
}

/** A server on a free port, and a client for it. */
async function serving(answer: (request: Request, count: number) => Response | Promise<Response>) {
  const requests: { readonly url: string; readonly key: string | null }[] = [];
  const options = { port: 0, hostname: "127.0.0.1", onListen: () => {}, onError: () => new Response() };
  const server = Deno.serve(options, (request) => {
    requests.push({ url: request.url, key: request.headers.get("idempotency-key") });
    return answer(request, requests.length);
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  const client = await AdminClient.open(terminalWith({}), url);
  return { client, requests, url, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** An answer whose connection breaks in the middle of the body. */
function cut(): Response {
  const body = new ReadableStream({
    start: (stream) => stream.enqueue(new TextEncoder().encode('{"do')),
    pull: (stream) => stream.close(),
  });
  return new Response(body, { headers: { "content-length": "100" } });
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => assert.fail("not refused"), (error) => error);
  assert.ok(error instanceof GatewayError || error instanceof UsageError, String(error));
  assert.equal(error.message.includes("igo_secret"), false);
  return error.message;
}

function problem(status: number, members: object, headers: Record<string, string> = {}): Response {
  return Response.json({ type: "urn:intentgate:problem:x", title: "X", status, ...members }, {
    status,
    headers,
  });
}

Deno.test("list() follows the cursor up to the limit, and says where the rest begins", async () => {
  await using served = await serving((request) => {
    const query = new URL(request.url).searchParams;
    const [after, limit] = [Number(query.get("after") ?? 0), Math.min(2, Number(query.get("limit")))];
    const rows = [1, 2, 3, 4, 5].filter((number) => number > after).slice(0, limit).map((number) => ({
      number,
    }));
    return Response.json({ rows, next_after: rows.length === limit ? rows.at(-1)?.number : null });
  });
  const all = await served.client.list("/things", "rows", { tenant: "a b" });
  assert.deepEqual(all, { rows: [1, 2, 3, 4, 5].map((number) => ({ number })), next_after: null });
  const some = await served.client.list("/things", "rows", {}, 3);
  assert.deepEqual([some.rows.length, some.next_after], [3, 3]);
  assert.ok(
    served.requests[0]?.url.endsWith("/api/v1/things?tenant=a+b&limit=1000"),
    served.requests[0]?.url,
  );
});

Deno.test("write() asks again with the same idempotency key when the connection breaks or the change is under way", async () => {
  await using served = await serving((_request, count) => {
    if (count === 1) return cut();
    if (count === 2) return problem(409, { type: "urn:intentgate:problem:idempotency_in_flight" });
    return Response.json({ done: true }, { status: 201 });
  });
  assert.deepEqual(await served.client.write("POST", "/things", {}), { done: true });
  const keys = served.requests.map(({ key }) => key);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  await served.client.write("POST", "/things", {});
  assert.notEqual(served.requests.at(-1)?.key, keys[0]);
});

Deno.test("a refusal names status, detail, every error, and what to do", async () => {
  const answers = [
    problem(400, {
      detail: "a; b",
      errors: [{ pointer: "/ttl_seconds", detail: "too small" }, { pointer: "", detail: "b" }],
    }),
    problem(401, { detail: "No" }),
    problem(403, { detail: "Expected admin" }),
    problem(429, { detail: "Wait" }, { "retry-after": "7" }),
    new Response("<html>", { status: 404, headers: { "content-type": "text/html" } }),
    new Response(null, { status: 302, headers: { location: "https://elsewhere/" } }),
    new Response("not JSON", { status: 200 }),
  ];
  await using served = await serving((_request, count) => answers[count - 1] ?? problem(500, {}));
  const ask = () => refusalOf(served.client.get("/x"));
  assert.equal(
    await ask(),
    "The gateway refused with status 400: 2 things are wrong\n  /ttl_seconds: too small\n  the request: b",
  );
  assert.match(
    await ask(),
    /status 401: No\nThe operator token came from INTENTGATE_OPERATOR_TOKEN; it is unknown/,
  );
  assert.match(await ask(), /status 403: Expected admin\n"intentgate operator whoami" shows/);
  assert.match(await ask(), /status 429: Wait\nTry again in 7 seconds$/);
  assert.match(
    await ask(),
    /^Expected the admin API of a gateway at "http:.*found status 404 with content type "text\/html"/,
  );
  assert.match(await ask(), /found a redirect to "https:\/\/elsewhere\/"/);
  assert.match(await ask(), /found status 200/);
});

Deno.test("an address that does not answer is named, with where it came from and why it failed", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();
  const env = { INTENTGATE_URL: url };
  const text = await refusalOf((await AdminClient.open(terminalWith(env), url)).get("/x"));
  assert.match(text, /^Cannot reach the gateway at "http.*" \(from INTENTGATE_URL\): .*refused/);
  assert.match(text, /is the gateway running\?/);
  const listen = { INTENTGATE_LISTEN: `127.0.0.1:${listener.addr.port}` };
  const own = await refusalOf((await AdminClient.open(terminalWith(listen), undefined)).get("/x"));
  assert.match(own, /for another one set INTENTGATE_URL/);
  await using served = await serving(() => new Response());
  const tls = await AdminClient.open(terminalWith({}), served.url.replace("http:", "https:"));
  assert.match(await refusalOf(tls.get("/x")), /try http:\/\/ instead of https:\/\//);
});

Deno.test("addresses and tokens that cannot be right are refused before anything is sent", async () => {
  const open = (url: string, env = {}) => refusalOf(AdminClient.open(terminalWith(env), url));
  assert.match(
    await open("127.0.0.1:8080"),
    /found "127\.0\.0\.1:8080"; did you mean "http:\/\/127\.0\.0\.1:8080"\?/,
  );
  assert.match(await open("ftp://x"), /Expected a URL like/);
  const withPassword = await open("https://u:hunter2@x");
  assert.match(withPassword, /without user and password/);
  assert.equal(withPassword.includes("hunter2"), false);
  assert.match(await open("http://x", { INTENTGATE_OPERATOR_TOKEN: "a b" }), /without spaces/);
  assert.match(
    await open("http://x", { INTENTGATE_OPERATOR_TOKEN: "" }),
    /set INTENTGATE_OPERATOR_TOKEN or INTENTGATE_OPERATOR_TOKEN_FILE, or run where "\.\/\.intentgate\/operator_token"/,
  );
});

Deno.test("watch() hands on what the gateway tells on the way, and takes a single answer too", async () => {
  const stream = [
    ": verifying\n\n",
    'event: progress\ndata: {"seq":5,"last":10}\n\n',
    'event: report\ndata: {"verdict":"verified"}\n\n',
  ];
  const events = (texts: readonly string[]) =>
    new Response(texts.join(""), { headers: { "content-type": "text/event-stream" } });
  await using served = await serving((request, count) => {
    assert.equal(request.headers.get("accept"), "text/event-stream");
    if (count === 1) return events(stream);
    if (count === 2) return Response.json({ verdict: "broken" });
    if (count === 3) return events(stream.slice(0, 2));
    return problem(404, { detail: "There is no such tenant" });
  });
  const told: unknown[] = [];
  const watch = () => served.client.watch("/x", {}, 5_000, (progress) => told.push(progress));
  assert.deepEqual(await watch(), { verdict: "verified" });
  assert.deepEqual(told.splice(0), [{ seq: 5, last: 10 }]);
  assert.deepEqual(await watch(), { verdict: "broken" });
  assert.match(await refusalOf(watch()), /Cannot reach the gateway.*ended before it was whole/s);
  assert.match(await refusalOf(watch()), /There is no such tenant/);
});

Deno.test("watch() waits only so long for a sign of life", async () => {
  const silent = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(": verifying\n\n")),
  });
  await using served = await serving(() =>
    new Response(silent, { headers: { "content-type": "text/event-stream" } })
  );
  assert.match(await refusalOf(served.client.watch("/x", {}, 50, () => {})), /Cannot reach the gateway/);
});
