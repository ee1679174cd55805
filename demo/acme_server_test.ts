import assert from "node:assert/strict";
import { type Acme, MAX_BODY_BYTES, startAcme } from "./acme_server.ts";

// deno-lint-ignore no-explicit-any -- answers are whatever the server says; every test asserts on them
type Answer = { readonly status: number; readonly body: any };

const LEGACY = { "mcp-protocol-version": "2025-11-25" };
const META = "io.modelcontextprotocol/";

async function post(acme: Acme, message: unknown, headers: Record<string, string> = LEGACY): Promise<Answer> {
  const response = await fetch(acme.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify(message),
  });
  const text = await response.text();
  const data = text.split("\n").find((line) => line.startsWith("data: "))?.slice("data: ".length) ?? text;
  return { status: response.status, body: data === "" ? undefined : JSON.parse(data) };
}

async function callTool(acme: Acme, name: string, args: unknown): Promise<Answer["body"]> {
  const { body } = await post(acme, {
    jsonrpc: "2.0",
    id: 7,
    method: "tools/call",
    params: { name, arguments: args },
  });
  return body.result ?? body.error;
}

async function withAcme(work: (acme: Acme) => Promise<void>): Promise<void> {
  const acme = startAcme({ hostname: "127.0.0.1", port: 0 });
  try {
    await work(acme);
  } finally {
    await acme.stop();
  }
}

Deno.test("startAcme() speaks the legacy era with a handshake", () =>
  withAcme(async (acme) => {
    const opened = await post(acme, {
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "test", version: "1" },
      },
    }, {});
    assert.equal(opened.body.result.protocolVersion, "2025-11-25");
    assert.equal(opened.body.result.serverInfo.name, "acme");
    const note = await post(acme, { jsonrpc: "2.0", method: "notifications/initialized" });
    assert.equal(note.status, 202);
  }));

Deno.test("startAcme() speaks the modern era without a handshake", () =>
  withAcme(async (acme) => {
    const params = {
      _meta: { [META + "protocolVersion"]: "2026-07-28", [META + "clientCapabilities"]: {} },
      name: "read_invoice",
      arguments: { invoice_id: "INV-1001" },
    };
    const answer = await post(acme, { jsonrpc: "2.0", id: 1, method: "tools/call", params }, {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "read_invoice",
    });
    assert.equal(answer.body.result.resultType, "complete");
    assert.equal(answer.body.result.structuredContent.invoice.amount_cents, 12_500);
  }));

Deno.test("tools/list carries schemas and the annotations that policies rely on", () =>
  withAcme(async (acme) => {
    const { body } = await post(acme, { jsonrpc: "2.0", id: 1, method: "tools/list" });
    const hints = Object.fromEntries(
      body.result.tools.map((tool: Answer["body"]) => [
        tool.name,
        [tool.annotations?.readOnlyHint, tool.annotations?.destructiveHint],
      ]),
    );
    assert.deepEqual(hints, {
      read_invoice: [true, undefined],
      list_invoices: [true, undefined],
      list_vendors: [true, undefined],
      search_vendors: [true, undefined],
      pay_invoice: [false, true],
      create_vendor: [false, false],
      change_vendor_account: [false, true],
      delete_vendor: [false, true],
      export_ledger: [undefined, undefined],
    });
    for (const tool of body.result.tools) {
      assert.equal(tool.inputSchema.type, "object", tool.name);
      assert.equal(tool.inputSchema.additionalProperties, false, tool.name);
    }
  }));

Deno.test("pay_invoice changes the books once and refuses the second time", () =>
  withAcme(async (acme) => {
    const args = { invoice_id: "INV-1002", amount_cents: 249_900 };
    const paid = await callTool(acme, "pay_invoice", args);
    assert.equal(paid.structuredContent.invoice.status, "paid");
    const again = await callTool(acme, "pay_invoice", args);
    assert.equal(again.isError, true);
    assert.match(again.content[0].text, /already paid/);
    const open = await callTool(acme, "list_invoices", { status: "open" });
    assert.ok(!open.structuredContent.invoices.some((entry: Answer["body"]) => entry.id === "INV-1002"));
  }));

Deno.test("tools answer isError for what the books refuse and for arguments outside the schema", () =>
  withAcme(async (acme) => {
    const refused: readonly (readonly [string, unknown, RegExp])[] = [
      ["read_invoice", { invoice_id: "INV-9" }, /Cannot find invoice "INV-9"/],
      ["pay_invoice", { invoice_id: "INV-1001", amount_cents: 1 }, /expected 12500 cents, got 1/],
      ["delete_vendor", { vendor_id: "V-1" }, /2 open invoices/],
      ["change_vendor_account", { vendor_id: "V-99", account: "DE02120300000000202051" }, /Cannot find/],
      ["read_invoice", { invoice: "INV-1001" }, /Invalid arguments/],
      ["export_ledger", { format: "xml" }, /Invalid arguments/],
    ];
    for (const [name, args, message] of refused) {
      const result = await callTool(acme, name, args);
      assert.equal(result.isError, true, name);
      assert.match(result.content[0].text, message);
    }
    assert.match((await callTool(acme, "no_such_tool", {})).message, /not found/);
  }));

Deno.test("vendors can be found, created, changed and deleted", () =>
  withAcme(async (acme) => {
    const vendor = { name: "Pinewood Tools", country: "SE", account: "SE4550000000058398257466" };
    const created = (await callTool(acme, "create_vendor", vendor)).structuredContent.vendor;
    const found = await callTool(acme, "search_vendors", { query: "PINEWOOD" });
    assert.deepEqual(found.structuredContent.vendors, [created]);
    const account = "SE4550000000058398257467";
    const changed = await callTool(acme, "change_vendor_account", { vendor_id: created.id, account });
    assert.equal(changed.structuredContent.vendor.account, account);
    await callTool(acme, "delete_vendor", { vendor_id: created.id });
    const left = await callTool(acme, "list_vendors", {});
    assert.equal(left.structuredContent.vendors.length, 4);
    const ledger = await callTool(acme, "export_ledger", { format: "csv" });
    assert.equal(ledger.structuredContent.ledger.split("\n").length, 6);
  }));

Deno.test("startAcme() bounds the body and refuses foreign hosts, origins and paths", () =>
  withAcme(async (acme) => {
    const long = await post(acme, { jsonrpc: "2.0", id: 1, method: "x".repeat(MAX_BODY_BYTES) });
    assert.equal(long.status, 413);
    const foreign = await post(acme, { jsonrpc: "2.0", id: 1, method: "ping" }, {
      origin: "http://evil.example",
    });
    assert.equal(foreign.status, 403);
    const elsewhere = await fetch(acme.url.replace("/mcp", "/"));
    assert.equal(elsewhere.status, 404);
    await elsewhere.text();
  }));

Deno.test("acme_worker.ts posts the address of a server that answers", async () => {
  const worker = new Worker(new URL("./acme_worker.ts", import.meta.url), { type: "module" });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      worker.onmessage = (event) => resolve(event.data.url);
      worker.onerror = (event) => reject(new Error(event.message));
    });
    const acme: Acme = { url, stop: () => Promise.resolve() };
    const result = await callTool(acme, "read_invoice", { invoice_id: "INV-1003" });
    assert.equal(result.structuredContent.invoice.status, "paid");
  } finally {
    worker.terminate();
  }
});
