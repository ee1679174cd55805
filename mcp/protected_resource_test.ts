import assert from "node:assert/strict";
import { configSchema } from "../core/config.ts";
import { METADATA_PATH, metadataUrl, protectedResourceResponse } from "./protected_resource.ts";

const RULES = { allowedHosts: ["gateway.example"], isLoopbackListener: false };
const requestOf = (path: string) =>
  new Request(`http://gateway.example${path}`, { headers: { host: "gateway.example" } });

Deno.test("the metadata of an endpoint is between the origin and the path (RFC 9728, 3.1), and names it", async () => {
  const cases = [
    [undefined, "http://gateway.example", ""],
    ["https://gateway.example", "https://gateway.example", ""],
    ["https://gateway.example/", "https://gateway.example", ""],
    ["https://gateway.example/agents", "https://gateway.example", "/agents"],
    ["https://gateway.example:8443/a/b/", "https://gateway.example:8443", "/a/b"],
    ["https://gateway.example/mcp", "https://gateway.example", "/mcp"],
  ] as const;
  for (const [publicUrl, origin, base] of cases) {
    const rules = { ...RULES, publicUrl };
    for (const path of ["/mcp", "/mcp/files"]) {
      const url = metadataUrl(requestOf(path), rules);
      assert.equal(url, `${origin}${METADATA_PATH}${base}${path}`);
      const asked = url.slice(origin.length + METADATA_PATH.length);
      const { resource } = await protectedResourceResponse(requestOf(path), asked, rules).json();
      assert.equal(resource, `${origin}${base}${path}`);
    }
  }
});

Deno.test("what is no endpoint has no metadata, and a proxy may have taken the public path away", async () => {
  const rules = { ...RULES, publicUrl: "https://gateway.example/agents" };
  for (const path of ["/agent", "/agentsmcp", "/agents/mcp/a/b", "/mcp/", "/x", "/agents/"]) {
    assert.equal(protectedResourceResponse(requestOf(path), path, rules).status, 404, path);
  }
  for (const path of ["/mcp/files", "/agents/mcp/files"]) {
    const { resource } = await protectedResourceResponse(requestOf(path), path, rules).json();
    assert.equal(resource, "https://gateway.example/agents/mcp/files");
  }
});

Deno.test("public_url has neither query nor fragment nor credentials", () => {
  const isTaken = (public_url: string) => configSchema.shape.public_url.safeParse(public_url).success;
  for (const url of ["https://h.example", "http://h.example:1/a/b/"]) assert.ok(isTaken(url), url);
  for (
    const url of [
      "https://h.example/?x=1",
      "https://h.example/?",
      "https://h.example/#",
      "https://u:p@h.example/",
    ]
  ) assert.ok(!isTaken(url), url);
});
