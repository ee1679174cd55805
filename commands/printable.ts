/** Keeps what others have named (agents, tools, tenants) from steering the terminal that shows it. */

/**
 * Control characters (C0, DEL, C1), line separators and the marks that turn the direction of text: what a terminal obeys
 * instead of showing, or what makes a line read differently from what it says.
 */
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** Every such character as `\u001b`, which JSON reads as the same character; line breaks and tabs stay. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (found) => found === "\n" || found === "\t" ? found : escaped(found));
}

/** The same for a text that must stay on its line. */
export function printableLine(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
