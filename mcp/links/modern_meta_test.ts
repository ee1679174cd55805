import assert from "node:assert/strict";
import { linkParams } from "./modern_meta.ts";

const client = { capabilities: { roots: {} }, traceHeaders: { traceparent: "00-1", cookie: "secret" } };

Deno.test("linkParams() writes what era and transport need, and nothing that the client put in its place", () => {
  const params = {
    name: "t",
    _meta: {
      "io.modelcontextprotocol/protocolVersion": "1999-01-01",
      "io.modelcontextprotocol/clientCapabilities": { sampling: {} },
      ...{ progressToken: "x", "com.example/own": 1 },
    },
  };
  assert.deepEqual(linkParams(params, client, { isModern: true, carriesTrace: true, progressToken: 4 }), {
    name: "t",
    _meta: {
      ...{ "com.example/own": 1, traceparent: "00-1" },
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": { roots: {} },
      "io.modelcontextprotocol/clientInfo": { name: "intentgate", version: "1" },
      progressToken: 4,
    },
  });
  assert.deepEqual(linkParams(params, client, { isModern: false, carriesTrace: false }), {
    ...{ name: "t", _meta: { "com.example/own": 1 } },
  });
  assert.deepEqual(
    linkParams({ _meta: { progressToken: 1 } }, client, { isModern: false, carriesTrace: false }),
    {},
  );
});
