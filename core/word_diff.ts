/** Which words of a text went and which came, for a person to read. */

/** Longer texts are compared as two wholes: the table of the comparison grows with the product of both. */
const MAX_WORDS = 1_000;

/** How many pairs of words may still be compared; shared by several texts. */
export interface ComparisonRoom {
  cells: number;
}
/** Words around a change that are shown with it. */
const CONTEXT = 3;

/**
 * The second text told by the first: `[-gone-]{+come+}` with some words around each change and `…` for what is the same. The
 * longest common subsequence of words; spaces belong to the word before them.
 */
export function wordDiff(
  before: string,
  after: string,
  room: ComparisonRoom = { cells: Infinity },
): string {
  const [old, now] = [wordsOf(before), wordsOf(after)];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  while (
    end < old.length - start && end < now.length - start &&
    old[old.length - 1 - end] === now[now.length - 1 - end]
  ) end++;
  const middle = changed(old.slice(start, old.length - end), now.slice(start, now.length - end), room);
  const lead = old.slice(Math.max(0, start - CONTEXT), start).join("");
  const tail = old.slice(old.length - end, old.length - end + CONTEXT).join("");
  return `${start > CONTEXT ? "…" : ""}${lead}${middle}${tail}${end > CONTEXT ? "…" : ""}`;
}

function changed(old: readonly string[], now: readonly string[], room: ComparisonRoom): string {
  const cells = old.length * now.length;
  if (old.length > MAX_WORDS || now.length > MAX_WORDS || cells > room.cells) return marked(old, now);
  room.cells -= cells;
  const lengths = commonLengths(old, now);
  const at = (i: number, j: number) => lengths[i * (now.length + 1) + j] ?? 0;
  const parts: string[] = [];
  let [gone, come, same] = [[] as string[], [] as string[], [] as string[]];
  const flush = () => {
    if (same.length > 2 * CONTEXT) same = [...same.slice(0, CONTEXT), "…", ...same.slice(-CONTEXT)];
    parts.push(same.join(""));
    same = [];
  };
  for (let i = 0, j = 0; i < old.length || j < now.length;) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      parts.push(marked(gone, come));
      [gone, come] = [[], []];
      same.push(old[i++]!);
      j++;
    } else {
      flush();
      if (j >= now.length || (i < old.length && at(i + 1, j) >= at(i, j + 1))) gone.push(old[i++]!);
      else come.push(now[j++]!);
    }
  }
  flush();
  return `${parts.join("")}${marked(gone, come)}`;
}

/** Cell i, j: how many words the rests from i and from j have in common. */
function commonLengths(old: readonly string[], now: readonly string[]): Uint16Array {
  const width = now.length + 1;
  const lengths = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      lengths[i * width + j] = old[i] === now[j]
        ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
        : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
    }
  }
  return lengths;
}

function marked(gone: readonly string[], come: readonly string[]): string {
  return `${gone.length === 0 ? "" : `[-${gone.join("")}-]`}${
    come.length === 0 ? "" : `{+${come.join("")}+}`
  }`;
}

function wordsOf(text: string): readonly string[] {
  return text.match(/\s*\S+\s*|\s+/gu) ?? [];
}
