/** The tools of the demo server: names, schemas, annotations, and what each does with the books. */
import { McpServer, type ToolAnnotations } from "@modelcontextprotocol/server";
import * as z from "zod";
import { type Book, BookError, type Invoice } from "./invoices.ts";

const invoiceId = z.string().min(1).max(64).describe("Invoice number, for example INV-1001.");
const vendorId = z.string().min(1).max(64).describe("Vendor number, for example V-1.");
const account = z.string().regex(/^[A-Z]{2}[0-9A-Z]{10,32}$/).describe("IBAN without blanks.");

/** Annotations by meaning. `export_ledger` has none on purpose: a gateway must not guess that it is harmless. */
const READS: ToolAnnotations = { readOnlyHint: true, idempotentHint: true, openWorldHint: false };
const ADDS: ToolAnnotations = { readOnlyHint: false, destructiveHint: false, openWorldHint: false };
const DESTROYS: ToolAnnotations = { readOnlyHint: false, destructiveHint: true, openWorldHint: false };

interface ToolAnswer {
  [key: string]: unknown;
  content: { type: "text"; text: string }[];
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
}

/** Runs one tool: the books' refusals become `isError` results that a model can read, anything else is a bug. */
function answer(work: () => Record<string, unknown>): ToolAnswer {
  try {
    const result = work();
    return { content: [{ type: "text", text: JSON.stringify(result) }], structuredContent: result };
  } catch (error) {
    if (!(error instanceof BookError)) throw error;
    return { content: [{ type: "text", text: error.message }], isError: true };
  }
}

function ledger(book: Book, format: "csv" | "json"): Record<string, unknown> {
  const rows = book.listInvoices();
  if (format === "json") return { format, ledger: JSON.stringify(rows) };
  const columns: readonly (keyof Invoice)[] = [
    "id",
    "vendor_id",
    "amount_cents",
    "currency",
    "due",
    "status",
  ];
  const lines = rows.map((row) => columns.map((column) => row[column]).join(","));
  return { format, ledger: [columns.join(","), ...lines].join("\n") };
}

function addReadingTools(server: McpServer, book: Book): void {
  server.registerTool("read_invoice", {
    description: "Reads one invoice.",
    inputSchema: z.strictObject({ invoice_id: invoiceId }),
    annotations: READS,
  }, ({ invoice_id }) => answer(() => ({ invoice: book.readInvoice(invoice_id) })));
  server.registerTool("list_invoices", {
    description: "Lists invoices, all or only open or paid ones.",
    inputSchema: z.strictObject({ status: z.enum(["open", "paid"]).optional() }),
    annotations: READS,
  }, ({ status }) => answer(() => ({ invoices: book.listInvoices(status) })));
  server.registerTool("list_vendors", {
    description: "Lists all vendors.",
    inputSchema: z.strictObject({}),
    annotations: READS,
  }, () => answer(() => ({ vendors: book.listVendors() })));
  server.registerTool("search_vendors", {
    description: "Finds vendors by a part of their name.",
    inputSchema: z.strictObject({ query: z.string().min(1).max(200) }),
    annotations: READS,
  }, ({ query }) => answer(() => ({ vendors: book.searchVendors(query) })));
}

function addWritingTools(server: McpServer, book: Book): void {
  server.registerTool(
    "pay_invoice",
    {
      description: "Pays an open invoice. The amount must be exactly what is owed.",
      inputSchema: z.strictObject({ invoice_id: invoiceId, amount_cents: z.int().min(1).max(100_000_000) }),
      annotations: DESTROYS,
    },
    ({ invoice_id, amount_cents }) => answer(() => ({ invoice: book.payInvoice(invoice_id, amount_cents) })),
  );
  server.registerTool("create_vendor", {
    description: "Adds a vendor.",
    inputSchema: z.strictObject({
      name: z.string().min(1).max(200),
      country: z.string().regex(/^[A-Z]{2}$/),
      account,
    }),
    annotations: ADDS,
  }, (vendor) => answer(() => ({ vendor: book.createVendor(vendor.name, vendor.country, vendor.account) })));
  server.registerTool("change_vendor_account", {
    description: "Replaces the bank account that a vendor is paid to.",
    inputSchema: z.strictObject({ vendor_id: vendorId, account }),
    annotations: { ...DESTROYS, idempotentHint: true },
  }, ({ vendor_id, account }) => answer(() => ({ vendor: book.changeAccount(vendor_id, account) })));
  server.registerTool("delete_vendor", {
    description: "Deletes a vendor without open invoices.",
    inputSchema: z.strictObject({ vendor_id: vendorId }),
    annotations: { ...DESTROYS, idempotentHint: true },
  }, ({ vendor_id }) => answer(() => ({ deleted: book.deleteVendor(vendor_id) })));
  server.registerTool("export_ledger", {
    description: "Exports the whole ledger as text.",
    inputSchema: z.strictObject({ format: z.enum(["csv", "json"]) }),
  }, ({ format }) => answer(() => ledger(book, format)));
}

/** Makes one MCP server over these books. The SDK wants a fresh one for every request. */
export function createAcmeServer(book: Book): McpServer {
  const server = new McpServer({ name: "acme", version: "1.0.0" });
  addReadingTools(server, book);
  addWritingTools(server, book);
  return server;
}
