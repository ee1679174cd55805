import assert from "node:assert/strict";
import fc from "fast-check";
import { scopeEntry } from "./scope_entry.ts";

interface Row {
  readonly entry: string;
  readonly upstream: string;
  readonly name: string;
  readonly permits: boolean;
  readonly concerns: boolean;
  readonly exactly: boolean;
}

const row = (entry: string, upstream: string, name: string, answers: string): Row => ({
  entry,
  upstream,
  name,
  permits: answers.includes("p"),
  concerns: answers.includes("c"),
  exactly: answers.includes("x"),
});

Deno.test("scopeEntry() reads names, globs and upstream__name", () => {
  const rows = [
    row("pay", "acme", "pay", "pcx"),
    row("pay", "acme", "pays", ""),
    row("p*", "acme", "pay", "pc"),
    row("acme__pay", "acme", "pay", "pcx"),
    row("acme__pay", "other", "pay", ""),
    // Another upstream cannot slip under the entry by naming its tool like it; a denial reaches it all the same.
    row("acme__pay", "evil", "acme__pay", "c"),
    row("acme__*", "evil", "acme__pay", "c"),
    row("*__pay", "acme", "pay", "pc"),
    row("acme__read__all", "acme", "read__all", "pcx"),
    row("read__all", "acme", "read__all", "c"),
    row("acme___x", "acme", "_x", "pcx"),
    row("__init", "acme", "__init", "pcx"),
    row("init__", "acme", "init__", "pcx"),
    row("a*", "acme", "a__b", "pc"),
  ];
  for (const { entry, upstream, name, permits, concerns, exactly } of rows) {
    const read = scopeEntry(entry);
    const shown = `${entry} on ${upstream} ${name}`;
    assert.equal(read.permits(upstream, name), permits, shown);
    assert.equal(read.concerns(upstream, name), concerns, shown);
    assert.equal(read.namesExactly(upstream, name), exactly, shown);
  }
});

Deno.test("scopeEntry() concerns whatever it permits, and permits whatever it names exactly", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "_", "*", "?"), minLength: 1, maxLength: 8 });
  const name = fc.string({ unit: fc.constantFrom("a", "b", "_"), minLength: 1, maxLength: 6 });
  fc.assert(fc.property(text, name, name, (source, upstream, tool) => {
    const entry = scopeEntry(source);
    if (entry.permits(upstream, tool)) assert.ok(entry.concerns(upstream, tool));
    if (entry.namesExactly(upstream, tool)) {
      assert.ok(entry.permits(upstream, tool) && !/[*?]/.test(source));
    }
  }));
});
