/** Changes of a tool's definition, collected so that many of one kind hide none of another. */
import type { JsonValue } from "./json.ts";
import type { ComparisonRoom } from "./word_diff.ts";

/** How a change weighs. `widened`: the tool takes, or may give, more than before. */
export type ChangeEffect = "widened" | "narrowed" | "wording" | "annotation" | "other";

/** One change. */
export interface ToolChange {
  readonly effect: ChangeEffect;
  /** JSON pointer into the definition. */
  readonly pointer: string;
  /** One sentence, with quoted values. */
  readonly what: string;
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** Most changes of one effect that are listed: a flood of one kind hides no other. */
export const MAX_CHANGES_OF_AN_EFFECT = 100;
/** Pairs of words that are compared in all texts of one definition. */
const MAX_COMPARED = 4_000_000;

const EFFECTS: readonly ChangeEffect[] = ["widened", "annotation", "wording", "narrowed", "other"];

/** Collects changes, of each effect so many; the others are counted. */
export class ChangeList {
  readonly #kept = new Map<
    ChangeEffect,
    { readonly first: ToolChange[]; readonly later: ToolChange[]; count: number }
  >();

  /** Shared by all texts. */
  readonly comparison: ComparisonRoom = { cells: MAX_COMPARED };

  constructor() {
    for (const effect of EFFECTS) this.#kept.set(effect, { first: [], later: [], count: 0 });
  }

  /** `isNew`: it takes nothing from what was there, and so gives way to what does. */
  push(change: ToolChange, isNew = false): void {
    const kept = this.#kept.get(change.effect)!;
    kept.count++;
    const list = isNew ? kept.later : kept.first;
    if (list.length < MAX_CHANGES_OF_AN_EFFECT) list.push(change);
  }

  /** Whether one more of the effect would only be counted. */
  isFull(effect: ChangeEffect): boolean {
    return this.#kept.get(effect)!.first.length >= MAX_CHANGES_OF_AN_EFFECT;
  }

  ranked(): readonly ToolChange[] {
    return EFFECTS.flatMap((effect) => {
      const { first, later, count } = this.#kept.get(effect)!;
      const shown = [...first, ...later].slice(0, MAX_CHANGES_OF_AN_EFFECT);
      if (shown.length === count) return shown;
      return [...shown, { effect, pointer: "", what: `${count - shown.length} more changes like these` }];
    });
  }
}
