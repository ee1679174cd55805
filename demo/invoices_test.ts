import assert from "node:assert/strict";
import { Book, BookError, MAX_VENDORS } from "./invoices.ts";

Deno.test("Book.payInvoice() leaves the invoice open when the amount is not what is owed", () => {
  const book = new Book();
  assert.throws(() => book.payInvoice("INV-1001", 12_501), BookError);
  assert.equal(book.readInvoice("INV-1001").status, "open");
});

Deno.test("Book.deleteVendor() keeps vendors that open invoices name", () => {
  const book = new Book();
  assert.throws(() => book.deleteVendor("V-2"), /1 open invoices/);
  book.payInvoice("INV-1002", 249_900);
  assert.equal(book.deleteVendor("V-2").name, "Blue Harbor Freight");
  assert.throws(() => book.deleteVendor("V-2"), /Cannot find vendor "V-2"/);
});

Deno.test("Book.createVendor() never hands out a number twice and stops at its limit", () => {
  const book = new Book();
  const first = book.createVendor("A", "DE", "DE02120300000000202051");
  book.deleteVendor(first.id);
  assert.notEqual(book.createVendor("B", "DE", "DE02120300000000202051").id, first.id);
  while (book.listVendors().length < MAX_VENDORS) book.createVendor("C", "DE", "DE02120300000000202051");
  assert.throws(() => book.createVendor("D", "DE", "DE02120300000000202051"), /holds at most/);
});

Deno.test("two books share nothing", () => {
  const changed = new Book();
  changed.payInvoice("INV-1001", 12_500);
  assert.equal(new Book().readInvoice("INV-1001").status, "open");
});
