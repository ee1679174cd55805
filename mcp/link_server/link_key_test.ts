import assert from "node:assert/strict";
import { homeKey, type LinkedUpstream, linkKeyOf } from "./link_key.ts";

const program: LinkedUpstream = {
  ...{
    name: "git",
    transport: "stdio",
    timeout_ms: 1_000,
    max_response_bytes: 100_000,
    client_requests: [],
    homeTenant: "acme",
  },
};
const capabilities = { sampling: {}, elicitation: {}, roots: { listChanged: true }, tasks: {} };
const user = { tenant: "acme", blockIds: ["block"], session: "s", capabilities };

Deno.test("linkKeyOf() lets a tenant's agents share a program that asks nobody", () => {
  assert.deepEqual(linkKeyOf(program, user), { upstream: "git", tenant: "acme" });
  assert.deepEqual(homeKey(program), { upstream: "git", tenant: "acme" });
});

Deno.test("linkKeyOf() gives a client that may be asked a link of its own, and offers no more than is configured", () => {
  const asking: LinkedUpstream = { ...program, client_requests: ["sampling", "roots"] };
  assert.deepEqual(linkKeyOf(asking, user), {
    ...{ upstream: "git", tenant: "acme", blockIds: ["block"], session: "s", isProcess: true },
    clientCapabilities: { sampling: {}, roots: {} },
  });
  // A client that cannot answer shares the program after all.
  assert.deepEqual(linkKeyOf(asking, { ...user, capabilities: {} }), { upstream: "git", tenant: "acme" });
});

Deno.test("linkKeyOf() gives each session of a principal an HTTP session, and modern requests share one", () => {
  const http: LinkedUpstream = { ...program, transport: "http" };
  const own = { upstream: "git", tenant: "acme", blockIds: ["block"] };
  assert.deepEqual(linkKeyOf(http, user), { ...own, session: "s" });
  const { session: _session, ...modern } = user;
  assert.deepEqual(linkKeyOf(http, modern), own);
});
