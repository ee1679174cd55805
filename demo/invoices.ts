/** The books of a small company, kept in memory: what the demo tools read and change. */

/** Someone who sends invoices. */
export interface Vendor {
  readonly id: string;
  readonly name: string;
  readonly country: string;
  readonly account: string;
}

/** One invoice. Amounts are in cents of `currency`, so that adding them up is exact. */
export interface Invoice {
  readonly id: string;
  readonly vendor_id: string;
  readonly amount_cents: number;
  readonly currency: string;
  readonly due: string;
  readonly status: "open" | "paid";
}

/** The company's own answer to a request that its books do not allow; the tool reports it, nothing crashes. */
export class BookError extends Error {
  override readonly name = "BookError";
}

const OPENING_VENDORS: readonly Vendor[] = [
  { id: "V-1", name: "Nordwind Paper", country: "DE", account: "DE02120300000000202051" },
  { id: "V-2", name: "Blue Harbor Freight", country: "NL", account: "NL91ABNA0417164300" },
  { id: "V-3", name: "Octavia Hosting", country: "FR", account: "FR1420041010050500013M02606" },
  { id: "V-4", name: "Dormant Supplies", country: "AT", account: "AT611904300234573201" },
];

const OPENING_INVOICES: readonly Invoice[] = [
  invoice("INV-1001", "V-1", 12_500, "2026-12-01", "open"),
  invoice("INV-1002", "V-2", 249_900, "2026-12-05", "open"),
  invoice("INV-1003", "V-3", 4_999, "2026-11-20", "paid"),
  invoice("INV-1004", "V-1", 1_875_000, "2026-12-15", "open"),
  invoice("INV-1005", "V-3", 4_999, "2026-12-20", "open"),
];

function invoice(
  id: string,
  vendorId: string,
  amountCents: number,
  due: string,
  status: Invoice["status"],
): Invoice {
  return { id, vendor_id: vendorId, amount_cents: amountCents, currency: "EUR", due, status };
}

/** More vendors than this cannot be kept: the demo has no database to protect its memory. */
export const MAX_VENDORS = 10_000;

/** The books: every method either answers or throws a `BookError`, and a refused change changes nothing. */
export class Book {
  readonly #vendors = new Map(OPENING_VENDORS.map((vendor) => [vendor.id, vendor]));
  readonly #invoices = new Map(OPENING_INVOICES.map((entry) => [entry.id, entry]));
  #nextVendor = OPENING_VENDORS.length + 1;

  readInvoice(id: string): Invoice {
    const found = this.#invoices.get(id);
    if (found === undefined) throw new BookError(`Cannot find invoice "${id}"`);
    return found;
  }

  listInvoices(status?: Invoice["status"]): readonly Invoice[] {
    return [...this.#invoices.values()].filter((entry) => status === undefined || entry.status === status);
  }

  listVendors(): readonly Vendor[] {
    return [...this.#vendors.values()];
  }

  searchVendors(query: string): readonly Vendor[] {
    const wanted = query.toLowerCase();
    return this.listVendors().filter((vendor) => vendor.name.toLowerCase().includes(wanted));
  }

  payInvoice(id: string, amountCents: number): Invoice {
    const found = this.readInvoice(id);
    if (found.status === "paid") throw new BookError(`Cannot pay invoice "${id}": it is already paid`);
    if (amountCents !== found.amount_cents) {
      throw new BookError(
        `Cannot pay invoice "${id}": expected ${found.amount_cents} cents, got ${amountCents}`,
      );
    }
    const paid: Invoice = { ...found, status: "paid" };
    this.#invoices.set(id, paid);
    return paid;
  }

  createVendor(name: string, country: string, account: string): Vendor {
    if (this.#vendors.size >= MAX_VENDORS) {
      throw new BookError(`Cannot create vendor "${name}": the book holds at most ${MAX_VENDORS}`);
    }
    const vendor: Vendor = { id: `V-${this.#nextVendor++}`, name, country, account };
    this.#vendors.set(vendor.id, vendor);
    return vendor;
  }

  changeAccount(id: string, account: string): Vendor {
    const changed: Vendor = { ...this.#vendor(id), account };
    this.#vendors.set(id, changed);
    return changed;
  }

  deleteVendor(id: string): Vendor {
    const found = this.#vendor(id);
    const open = this.listInvoices("open").filter((entry) => entry.vendor_id === id);
    if (open.length > 0) {
      throw new BookError(`Cannot delete vendor "${id}": ${open.length} open invoices name it`);
    }
    this.#vendors.delete(id);
    return found;
  }

  #vendor(id: string): Vendor {
    const found = this.#vendors.get(id);
    if (found === undefined) throw new BookError(`Cannot find vendor "${id}"`);
    return found;
  }
}
