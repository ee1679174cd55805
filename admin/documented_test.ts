/** The OpenAPI document says what is true, and all of it: every problem that it describes can be met. */
import assert from "node:assert/strict";
import { GatewayError } from "../core/errors.ts";
import { adminApi, type Asked } from "./app_fixture.ts";
import { openApiDocument, problemsOf } from "./contract/openapi.ts";
import type { RouteSpec } from "./contract/route.ts";
import { ROUTE_SPECS } from "./contract/routes.ts";
import { documented } from "./documented_fixture.ts";
import { REQUESTS, STOPPED } from "./requests_fixture.ts";

type Api = Awaited<ReturnType<typeof adminApi>>;
type Request = Asked & { readonly path: string };

function goodRequest({ method, path }: RouteSpec, tenant = "acme"): Request {
  const route = `${method} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`;
  return { method, ...(REQUESTS[route] ?? assert.fail(route))(tenant) };
}

const keyed = (request: Request, key: string): Request => ({
  ...request,
  headers: { "idempotency-key": `"${key}"` },
});

/** How to meet a problem that many routes have, by its code. */
const MEET: Readonly<Record<string, (api: Api, spec: RouteSpec) => Request | Promise<Request>>> = {
  invalid_request: (_api, spec) => ({
    ...goodRequest(spec),
    path: `${goodRequest(spec).path.split("?")[0]}?nope=1`,
  }),
  invalid_json: (_api, spec) => ({ ...goodRequest(spec), body: "{" }),
  unauthenticated: (_api, spec) => ({ ...goodRequest(spec), token: "wrong_wrong_wrong" }),
  forbidden: async (api, spec) => ({
    ...goodRequest(spec),
    token: await api.operator("small", "auditor", ["acme"]),
  }),
  not_in_log: (api, spec) => {
    api.state.isUnsigned = true;
    return goodRequest(spec);
  },
  unusable_range: (_api, spec) => ({
    ...goodRequest(spec),
    path: `${goodRequest(spec).path}&first=9&last=8`,
  }),
  unusable_filter: (_api, spec) => ({
    ...goodRequest(spec),
    body: { ...goodRequest(spec).body!, event: "e" },
  }),
  too_many_exports: async (api, spec) => {
    const { path, ...asked } = goodRequest(spec);
    for (let n = 0; n < 2; n++) api.unread.push(await api.send(path, asked)); // nobody reads their bodies
    return { path, ...asked };
  },
  too_many_searches: (api, spec) => {
    api.state.searchesHang = true;
    const { path, ...asked } = goodRequest(spec);
    for (let n = 0; n < 2; n++) void api.send(path, asked); // never answered
    return { path, ...asked };
  },
  too_many_verifications: (api, spec) => {
    api.state.chainsHang = true;
    const { path, ...asked } = goodRequest(spec);
    for (let n = 0; n < 2; n++) void api.send(path, asked); // never answered
    return { path, ...asked };
  },
  too_many_streams: async (api, spec) => {
    const { path, ...asked } = goodRequest(spec);
    for (let n = 0; n < 4; n++) api.unread.push(await api.send(path, asked));
    return { path, ...asked };
  },
  ahead_of_chain: (_api, spec) => ({ ...goodRequest(spec), path: `${goodRequest(spec).path}&after=99` }),
  unknown_tenant: (_api, spec) => {
    const request = goodRequest(spec, "nothere");
    return spec.id === "createOperator"
      ? { ...request, body: { ...request.body!, tenants: ["nothere"] } }
      : request;
  },
  no_retention: (api, spec) => {
    api.state.actions.retentionDays = undefined;
    return goodRequest(spec);
  },
  nothing_to_prune: (api, spec) => {
    api.state.actions.prunableTo = 255;
    return goodRequest(spec);
  },
  too_many_actions: (api, spec) => {
    api.state.actions.hasRoom = false;
    return goodRequest(spec);
  },
  unknown_event: (_api, spec) => ({ ...goodRequest(spec), path: "/audit/values?tenant=acme&seq=99" }),
  unknown_action: (_api, spec) => ({ ...goodRequest(spec), path: "/audit/actions/nothere/confirm" }),
  not_prunable: (_api, spec) => ({ ...goodRequest(spec), path: "/audit/actions/prune-acme/confirm" }),
  pruned: (api, spec) => {
    api.state.isPruned = true;
    return goodRequest(spec);
  },
  unknown_operator: (_api, spec) => ({ ...goodRequest(spec), path: "/operators/nobody" }),
  unknown_kill_switch: (_api, spec) => ({ ...goodRequest(spec), path: "/kill-switches/99/release" }),
  unknown_token: () => ({ path: "/revocations", body: { tenant: "acme", jti: "A".repeat(22), reason: "x" } }),
  unknown_upstream: () => ({ path: "/kill-switches", body: { scope: "upstream", value: "no", reason: "x" } }),
  unknown_tool: (_api, spec) => ({
    ...goodRequest(spec),
    path: goodRequest(spec).path.replace("/pay", "/nothere"),
  }),
  digest_conflict: (_api, spec) => ({
    ...goodRequest(spec),
    body: { digest: `v1:${"9".repeat(64)}`, reason: "x" },
  }),
  tenant_exists: () => ({ path: "/tenants", body: { name: "acme" } }),
  operator_exists: (_api, spec) => ({
    ...goodRequest(spec),
    body: { id: "victim", role: "viewer", tenants: "*", ttl_seconds: 60 },
  }),
  version_conflict: (_api, spec) => ({ ...goodRequest(spec), body: { version: 9, settings: {} } }),
  unusable_grant: () => ({ path: "/tokens", body: { tenant: "acme", agent: "a", ttl_seconds: 1e9 } }),
  body_too_large: (_api, spec) => ({ ...goodRequest(spec), body: "x".repeat(300_000) }),
  unsupported_media_type: (_api, spec) => ({
    ...goodRequest(spec),
    headers: { "content-type": "text/plain" },
  }),
  idempotency_in_flight: (_api, spec) => keyed(goodRequest(spec), "held"),
  idempotency_keys_exhausted: (_api, spec) => keyed(goodRequest(spec), "full"),
  idempotency_key_reused: async (api, spec) => {
    const request = goodRequest(spec);
    const token = request.token === undefined ? {} : { token: request.token };
    await api.send("/tenants", keyed({ path: "", body: { name: "other" }, ...token }, "k"));
    return keyed(request, "k");
  },
  idempotency_answer_unreadable: async (api, spec) => {
    const request = keyed(goodRequest(spec), "lost");
    assert.ok((await api.send(request.path, request)).ok);
    return request;
  },
  throttled: async (api, spec) => {
    for (let attempt = 0; attempt < 20; attempt++) {
      await api.send("/self", { token: "wrong_wrong", sourceIp: "::1" });
    }
    return { ...goodRequest(spec), sourceIp: "::1" };
  },
  internal: (api, spec) => meetFault(api, spec, new Error("a bug")),
  database_unavailable: (api, spec) => meetFault(api, spec, new GatewayError("database_unavailable", "slow")),
};

async function meetFault(api: Api, spec: RouteSpec, fault: Error): Promise<Request> {
  const token = await api.operator("named", "admin", "*");
  api.state.fault = fault;
  return { ...goodRequest(spec), token };
}

/** An API with an operator "victim" and two engaged kill switches. */
async function preparedApi(answers: Api["answers"]): Promise<Api> {
  const api = await adminApi(answers);
  await api.operator("victim", "viewer", "*");
  for (const tenant of STOPPED) await api.ask("/kill-switches", { scope: "tenant", tenant, reason: "x" });
  api.state.chainFault = undefined;
  return api;
}

Deno.test("every answer that the document describes is real: the good one and each problem of each route", async () => {
  const answers = documented(openApiDocument("0.0.0"));
  for (const spec of ROUTE_SPECS) {
    const api = await preparedApi(answers);
    const { path, ...asked } = goodRequest(spec);
    const good = await api.send(path, asked);
    assert.equal(good.status, spec.answer.status, spec.id);
    await good.body?.cancel();
    for (const [status, problems] of problemsOf(spec)) {
      for (const { code } of problems) {
        const api = await preparedApi(answers);
        const { path, ...asked } = await (MEET[code] ?? assert.fail(code))(api, spec);
        const response = await api.send(path, asked);
        const { type } = await response.json();
        assert.deepEqual(
          [response.status, type],
          [status, `urn:intentgate:problem:${code}`],
          `${spec.id} ${code}`,
        );
        for (const unread of api.unread) await unread.body?.cancel();
      }
    }
  }
  assert.deepEqual(
    [...answers.seen].filter((name) => answers.all.includes(name)).sort(),
    answers.all.toSorted(),
  );
});

Deno.test("documented().check finds an answer that is not as described", async () => {
  const { check, all } = documented(openApiDocument("0.0.0"));
  assert.ok(all.length > 150, `${all.length} statuses`);
  const self = { id: "a", how: "root", role: "admin", tenants: "*" };
  const answer = (body: unknown, status = 200, type = "application/json") =>
    check({
      ...{ method: "GET", path: "/self" },
      response: new Response(JSON.stringify(body), { status, headers: { "content-type": type } }),
    });
  await answer(self);
  await assert.rejects(answer({ ...self, more: 1 }), /more/);
  await assert.rejects(answer({ ...self, role: "owner" }), /role/);
  await assert.rejects(answer({ ...self, id: undefined }), /id/);
  await assert.rejects(answer({ ...self, tenants: ["NO"] }), /tenants/);
  await assert.rejects(answer(self, 201), /does not say that GET \/self 201 may come/);
  await assert.rejects(answer(self, 200, "text/plain"), /text\/plain/);
  const problem = { type: "urn:intentgate:problem:x", title: "t", status: 401, detail: "d" };
  await assert.rejects(answer(problem, 401, "application/problem+json"), /no www-authenticate/);
});

Deno.test("a path that exists answers other methods with 405 and the methods that there are", async () => {
  const { send } = await adminApi();
  const cases: [string, string, string][] = [
    ["PUT", "/tenants/acme", "GET, HEAD, PATCH"],
    ["DELETE", "/tokens", "POST, GET, HEAD"],
    ["OPTIONS", "/openapi.json", "GET, HEAD"],
    ["GET", "/kill-switches/1/release", "POST"],
  ];
  for (const [method, path, allow] of cases) {
    const response = await send(path, { method });
    assert.deepEqual([response.status, response.headers.get("allow")], [405, allow], `${method} ${path}`);
  }
  for (const path of ["/nothing", "/tenants/", "/tenants/a/b", "/openapixjson"]) {
    assert.equal((await send(path)).status, 404, path);
  }
  assert.equal((await send("/tenants/acme", { method: "PUT", token: "wrong_wrong" })).status, 401);
});
