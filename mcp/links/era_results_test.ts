import assert from "node:assert/strict";
import fc from "fast-check";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { legacyError, modernError, urlElicitations } from "./era_errors.ts";
import {
  bridgedClientCapabilities,
  discoverResult,
  initializeResult,
  legacyResultText,
  modernResultText,
} from "./era_results.ts";
import { fakeLink } from "./link_fixture.ts";

const { info } = fakeLink("legacy");
const SERVER_INFO = "io.modelcontextprotocol/serverInfo";
const OURS = ["resultType", "ttlMs", "cacheScope", "_meta", "__proto__"];
/** Objects as `JSON.parse` makes them, without names that the bridge itself writes. */
const members = fc.dictionary(
  fc.string().filter((name) => !OURS.includes(name)),
  fc.jsonValue(),
) as fc.Arbitrary<
  JsonObject
>;
const methods = fc.constantFrom(
  "tools/list",
  "tools/call",
  "resources/read",
  "prompts/get",
  "completion/complete",
);

Deno.test("a legacy result that goes to a modern client and back loses no member and no digit", () => {
  fc.assert(fc.property(members, fc.option(members, { nil: undefined }), methods, (result, meta, method) => {
    const sent = JSON.parse(JSON.stringify(meta === undefined ? result : { ...result, _meta: meta }));
    const modern = modernResultText(JSON.stringify(sent), method, info);
    const back = JSON.parse(legacyResultText(modern));
    const { [SERVER_INFO]: serverInfo, ...rest } = back._meta;
    assert.deepEqual(serverInfo, info.serverInfo);
    assert.deepEqual(rest, sent._meta ?? {});
    const { _meta: _a, ...others } = back;
    const { _meta: _b, ...sentOthers } = sent;
    assert.deepEqual(others, sentOthers);
  }));
  const big = '{"n":12345678901234567890.10}';
  assert.equal(legacyResultText(modernResultText(big, "tools/call", { ...info, serverInfo: {} })), big);
});

Deno.test("a modern result loses exactly what the legacy era does not know", () => {
  fc.assert(fc.property(members, (result) => {
    const sent = JSON.parse(JSON.stringify(result));
    const text = JSON.stringify({ resultType: "complete", ...sent, ttlMs: 5, cacheScope: "public" });
    assert.deepEqual(JSON.parse(legacyResultText(text)), sent);
  }));
});

Deno.test("a modern client is told that nothing may be kept or shared, and only where that is said at all", () => {
  const list = JSON.parse(
    modernResultText('{"tools":[],"ttlMs":9,"cacheScope":"public"}', "tools/list", info),
  );
  assert.deepEqual([list.resultType, list.ttlMs, list.cacheScope], ["complete", 0, "private"]);
  const call = JSON.parse(modernResultText('{"content":[]}', "tools/call", info));
  assert.deepEqual(call, { content: [], resultType: "complete", _meta: { [SERVER_INFO]: info.serverInfo } });
});

Deno.test("initialize and server/discover are made of each other, with what both eras know", () => {
  const capabilities = {
    tools: { listChanged: true },
    tasks: {},
    extensions: {},
    resources: { subscribe: true },
  };
  const full = { ...info, capabilities, instructions: "use it" };
  assert.deepEqual(initializeResult(full, "erp", "2025-06-18"), {
    ...{ protocolVersion: "2025-06-18", serverInfo: info.serverInfo, instructions: "use it" },
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true } },
  });
  assert.equal(
    initializeResult({ ...full, serverInfo: {} }, "erp", "1999-01-01").protocolVersion,
    "2025-11-25",
  );
  const discovered = discoverResult(full);
  assert.deepEqual(discovered.supportedVersions, ["2026-07-28"]);
  assert.ok(isJsonObject(discovered._meta));
  assert.deepEqual([discovered.ttlMs, discovered.cacheScope, discovered.resultType], [
    0,
    "private",
    "complete",
  ]);
  assert.deepEqual(
    bridgedClientCapabilities({ roots: { listChanged: true }, tasks: {}, sampling: { tools: {} } }),
    {
      ...{ roots: {}, sampling: { tools: {} } },
    },
  );
});

Deno.test("capabilities of a client have one form, whatever else it writes", () => {
  const given = {
    elicitation: { form: { x: 1 }, url: {}, other: {} },
    sampling: { context: 1 },
    roots: { n: 2 },
  };
  assert.deepEqual(bridgedClientCapabilities(given), {
    elicitation: { form: {}, url: {} },
    sampling: {},
    roots: {},
  });
  assert.deepEqual(bridgedClientCapabilities({ elicitation: true, experimental: {} }), {});
});

Deno.test("errors change their codes where the eras do, and nowhere else", () => {
  const uri = "file:///x";
  const missing = { code: -32602, message: "Resource not found", data: { uri } };
  assert.equal(legacyError(missing, "resources/read", { uri }).code, -32002);
  assert.equal(legacyError(missing, "tools/call", { uri }).code, -32602);
  assert.equal(legacyError({ ...missing, data: {} }, "resources/read", { uri }).code, -32602);
  assert.equal(legacyError({ code: -32021, message: "needs sampling" }, "tools/call", {}).code, -32603);
  assert.deepEqual(modernError({ code: -32002, message: "m" }, "resources/read", { uri }), {
    ...{ error: { code: -32602, message: "m", data: { uri } }, status: 200 },
  });
  assert.equal(modernError({ code: -32601, message: "m" }, "x", {}).status, 404);
  assert.deepEqual(modernError({ code: -1, message: "m" }, "x", {}), {
    error: { code: -1, message: "m" },
    status: 200,
  });
  fc.assert(fc.property(fc.integer({ min: -31999, max: 32_000 }), methods, (code, method) => {
    assert.equal(legacyError({ code, message: "" }, method, {}).code, code);
    assert.equal(modernError({ code, message: "" }, method, {}).error.code, code);
  }));
  const elicitations = [{ elicitationId: "1", url: "https://x.example/", message: "open" }, { mode: "url" }];
  assert.deepEqual(urlElicitations({ code: -32042, message: "", data: { elicitations } }), {
    url_1: {
      method: "elicitation/create",
      params: { url: "https://x.example/", message: "open", mode: "url" },
    },
  });
  assert.equal(urlElicitations({ code: -32042, message: "", data: {} }), undefined);
});
