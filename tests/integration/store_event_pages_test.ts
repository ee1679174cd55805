/** Pages of long events, on both databases. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { eventPages } from "../../audit/export/event_pages.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createAuditSearch } from "../../store/audit_search.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();

const EVENTS = 60;
const EVENT_BYTES = 59_000;
/** A page begins its last event within 2 MiB. */
const MOST_PAGE_BYTES = 2 * 1024 * 1024 + EVENT_BYTES;

test("eventPages() reads every event once, and never more at once than a page may hold", async (fixture) => {
  const database = await fixture.migrated();
  const events = createAuditEvents(database);
  const text = "\u00e9".repeat((EVENT_BYTES - 100) / 2); // bytes count, not characters
  for (let from = 0; from < EVENTS; from += 20) {
    await events.append(Array.from({ length: 20 }, (_, at) => ({
      ...{ chain: "default", eventId: crypto.randomUUID(), conditions: [] },
      canonical: JSON.stringify({ n: from + at, text }),
    })));
  }
  const pages = await Array.fromAsync(
    eventPages(createAuditSearch(database), "default", { first: 3, last: EVENTS - 1 }),
  );
  const sizes = pages.map((rows) =>
    rows.reduce((sum, { canonical }) => sum + Buffer.byteLength(canonical), 0)
  );
  assert.ok(pages.length > 1 && sizes.every((size) => size <= MOST_PAGE_BYTES), sizes.join());
  const seqs = pages.flat().map(({ seq }) => seq);
  assert.deepEqual(seqs, Array.from({ length: EVENTS - 3 }, (_, at) => at + 3));
});
