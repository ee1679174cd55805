import type { Terminal } from "./command.ts";
import { printableLine } from "./printable.ts";

/** Prints rows under their headings, each column as wide as its longest cell; no cell leaves its line. */
export function printRows(
  terminal: Pick<Terminal, "print">,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const table = [headings, ...rows.map((row) => row.map(printableLine))];
  const widths = headings.map((_, column) => Math.max(...table.map((row) => widthOf(row[column] ?? ""))));
  for (const row of table) {
    const cells = row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - widthOf(cell)));
    terminal.print(cells.join("  ").trimEnd());
  }
}

/** Prints what one thing is, a line per member. */
export function printMembers(
  terminal: Pick<Terminal, "print">,
  members: readonly (readonly [string, string])[],
): void {
  const width = Math.max(...members.map(([name]) => name.length));
  for (const [name, value] of members) terminal.print(`${name.padEnd(width)}  ${printableLine(value)}`);
}

/** Epoch seconds or milliseconds as people read them, in UTC. */
export function dateText(epoch: unknown, unit: "s" | "ms" = "s"): string {
  const ms = Number(epoch) * (unit === "s" ? 1000 : 1);
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? `${new Date(ms).toISOString().slice(0, 19)}Z` : "?";
}

/** Characters, counted as people do. */
function widthOf(text: string): number {
  return [...text].length;
}
