import type { Terminal } from "./command.ts";

/** Prints rows under their headings, each column as wide as its longest cell. */
export function printRows(
  terminal: Pick<Terminal, "print">,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  for (const row of [headings, ...rows]) {
    terminal.print(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
  }
}
