import assert from "node:assert/strict";
import { Hono } from "hono";
import type { Operator } from "../core/operator.ts";
import { access, declaredAccess, requireDeclaredAccess } from "./access.ts";
import { adminApi } from "./app_fixture.ts";
import { REQUESTS, STOPPED } from "./requests_fixture.ts";
import type { AdminVariables } from "./environment.ts";

/** The head of the fixture's chain cannot be read: a fault is what an allowed request meets there. */
const ALLOWED: Readonly<Record<string, number>> = {
  "POST /tokens": 201,
  "POST /revocations": 201,
  "POST /operators": 201,
  "POST /tenants": 201,
  "POST /kill-switches": 201,
  "POST /audit/prunes": 201,
  "POST /audit/erasures": 201,
  "GET /audit/verify": 500,
  "GET /audit/events.csv": 500,
};

const RANKS = { auditor: 0, viewer: 1, operator: 2, admin: 3 } as const;

/** What must be answered, from the documented rules alone. */
function expected(
  route: string,
  { role, scope }: Documented,
  operator: Pick<Operator, "role" | "tenants">,
  tenant: string,
): number {
  if (RANKS[operator.role] < RANKS[role]) return 403;
  if (scope === "all" && operator.tenants !== "*") return 403;
  const own = operator.tenants === "*" || operator.tenants.includes(tenant);
  if (scope === "tenant" && (!own || tenant === "nothere")) return 404;
  return ALLOWED[route] ?? 200;
}

interface Documented {
  readonly role: Operator["role"];
  readonly scope: string;
}

/** The table of docs/reference/admin_api.md: a route whose declaration changes fails until the page does too. */
async function readDocumented(): Promise<Readonly<Record<string, Documented>>> {
  const page = await Deno.readTextFile(new URL("../docs/reference/admin_api.md", import.meta.url));
  const rows = page.matchAll(/^\| `([A-Z]+ \/[^`]+)` +\| (auditor|viewer|operator|admin) +\| `(\w+)` +\|$/gm);
  return Object.fromEntries(
    [...rows].map(([, route, role, scope]) => [route, { role, scope }]),
  ) as Record<string, Documented>;
}

Deno.test("every route of the admin API declares who may use it, as documented", async () => {
  const { app } = await adminApi();
  const declared = declaredAccess(app);
  assert.ok(declared.size >= 11);
  for (const [route, what] of declared) assert.ok(what !== undefined, `${route} declares nothing`);
  assert.deepEqual(Object.fromEntries(declared), await readDocumented());
  assert.deepEqual(
    [...declared.keys()].sort(),
    Object.keys(REQUESTS).sort(),
    "the tests below try every route",
  );
});

Deno.test("requireDeclaredAccess() refuses a route that declares nothing, or too late", () => {
  const planted = new Hono<AdminVariables>();
  planted.get("/good", access("viewer", "own"), (context) => context.text("ok"));
  requireDeclaredAccess(planted);
  planted.get("/bad", (context) => context.text("ok"));
  assert.throws(() => requireDeclaredAccess(planted), /missing at "GET \/bad"/);
  const late = new Hono<AdminVariables>();
  late.post("/late", async (_context, next) => await next(), access("admin", "all"));
  late.all("/all", (context) => context.text("ok"));
  assert.throws(() => requireDeclaredAccess(late), /"POST \/late", "ALL \/all"/);
});

Deno.test("role and tenants decide what each route answers: 403 for the role, 404 for another's tenant", async () => {
  const documented = await readDocumented();
  const { answers } = await adminApi();
  for (const role of ["auditor", "viewer", "operator", "admin"] as const) {
    for (const tenants of ["*", ["acme"], ["default"]] as const) {
      for (const [route, request] of Object.entries(REQUESTS)) {
        for (const tenant of ["acme", "default", "nothere"]) {
          const { send, operator, entries } = await adminApi(answers);
          await operator("victim", "viewer", "*");
          for (const stopped of STOPPED) {
            await send("/kill-switches", { body: { scope: "tenant", tenant: stopped, reason: "x" } });
          }
          const token = await operator("asker", role, tenants);
          const before = entries.length;
          const { path, body } = request(tenant);
          const method = route.split(" ")[0] ?? "";
          const response = await send(path, { method, token, ...(body === undefined ? {} : { body }) });
          const wanted = expected(route, documented[route] ?? assert.fail(route), { role, tenants }, tenant);
          const who = `${role} of ${JSON.stringify(tenants)} at ${route} for ${tenant}`;
          assert.equal(response.status, wanted, who);
          if (wanted === 403 || wanted === 404) {
            assert.equal(entries.length, before, `${who}: nothing happened`);
          }
          await response.body?.cancel();
        }
      }
    }
  }
});

Deno.test("a tenant of somebody else is answered exactly like one that does not exist", async () => {
  const documented = await readDocumented();
  const { send, operator } = await adminApi();
  const token = await operator("alice", "admin", ["acme"]);
  for (const tenant of STOPPED) {
    await send("/kill-switches", { body: { scope: "tenant", tenant, reason: "x" } });
  }
  for (const [route, request] of Object.entries(REQUESTS)) {
    if (documented[route]?.scope !== "tenant") continue;
    const method = route.split(" ")[0] ?? "";
    const answer = async (tenant: string) => {
      const { path, body } = request(tenant);
      const response = await send(path, { method, token, ...(body === undefined ? {} : { body }) });
      return [response.status, (await response.text()).replaceAll(tenant, "T")];
    };
    assert.deepEqual(await answer("default"), await answer("nothere"), route);
  }
});

Deno.test("chains that are no tenant's are read by operators of every tenant only", async () => {
  const { send, operator } = await adminApi();
  const some = await operator("some", "admin", ["acme"]);
  const every = await operator("every", "viewer", "*");
  for (const chain of ["~unverified", "~installation"]) {
    assert.equal((await send(`/audit/events?tenant=${chain}`, { token: some })).status, 404);
    assert.equal((await send(`/audit/events?tenant=${chain}`, { token: every })).status, 200);
  }
});
