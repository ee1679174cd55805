/** Characters that a person does not see, or sees in another order, while a model reads them. */

/** One such character. */
export interface HiddenCharacter {
  readonly kind: "invisible_character" | "direction_character" | "control_character";
  /** `danger` has no honest use in a definition; `notice` has. */
  readonly severity: "danger" | "notice";
  /** UTF-16 code units from the start of the text. */
  readonly position: number;
  readonly reason: string;
}

/** What `danger` means, as far as one character tells. */
// deno-lint-ignore no-control-regex
const DANGEROUS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u;

/** Most texts are plain: one look tells. */
const PLAIN = /^[\t\n\r\x20-\x7e\u00a0-\u00ac\u00ae-\u02ff\u0370-\u05ff\u3040-\u30ff\u4e00-\u9fff]*$/;

/**
 * The characters of a text that show nothing, or something else than they say: in one pass, until `visit` has seen enough
 * and answers `false`. What is no danger is left out unless `wantsNotices`.
 */
export function visitHiddenCharacters(
  text: string,
  visit: (found: HiddenCharacter) => boolean,
  wantsNotices: () => boolean,
): void {
  if (wantsNotices() ? PLAIN.test(text) : !DANGEROUS.test(text)) return;
  let position = 0;
  let before = 0;
  let tags = 0;
  const chars = [...text];
  for (const [index, char] of chars.entries()) {
    const code = char.codePointAt(0)!;
    const after = chars[index + 1]?.codePointAt(0) ?? 0;
    // England's flag is a black flag, five letters as tags, and U+E007F: more tags spell something else.
    tags = isTag(code) && (tags > 0 || before === 0x1f3f4) ? tags + 1 : 0;
    const flag = isTag(code) && tags > 0 && tags <= 7 ? undefined : characterFlag(code, before, after);
    if (flag !== undefined && (flag.severity === "danger" || wantsNotices())) {
      if (!visit({ ...flag, position, reason: `has ${codePoint(code)}, ${flag.reason}` })) return;
    }
    before = code;
    position += char.length;
  }
}

type CharacterFlag = Omit<HiddenCharacter, "position">;

function characterFlag(code: number, before: number, after: number): CharacterFlag | undefined {
  if (isTag(code)) {
    return {
      kind: "invisible_character",
      severity: "danger",
      reason: "a tag character, which shows nothing and spells text that a model reads",
    };
  }
  if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) {
    return {
      kind: "direction_character",
      severity: "danger",
      reason: "which changes the direction in which text is shown",
    };
  }
  if ((code < 0x20 && code !== 9 && code !== 10 && code !== 13) || (code >= 0x7f && code <= 0x9f)) {
    return { kind: "control_character", severity: "danger", reason: "a control character" };
  }
  if (!isInvisible(code)) return undefined;
  const joins = code === 0x200d || code === 0x200c || (code >= 0xfe00 && code <= 0xfe0f);
  // Emoji and scripts that need joiners have them between characters that are not ASCII; U+FE0F also follows digits.
  if (joins && (before > 0x7f || code === 0xfe0f) && !isInvisible(before === 0xfe0f ? 0 : before)) {
    if (code >= 0xfe00 || after > 0x7f) return undefined;
  }
  return { kind: "invisible_character", severity: "notice", reason: "which shows nothing" };
}

function isTag(code: number): boolean {
  return code >= 0xe0000 && code <= 0xe007f;
}

/** Default-ignorable characters of Unicode (DerivedCoreProperties.txt), and the blanks of Hangul and Braille. */
export function isInvisible(code: number): boolean {
  return code > 0xac &&
    (code === 0xad || code === 0x34f || code === 0x61c || code === 0x115f || code === 0x1160 ||
      code === 0x17b4 || code === 0x17b5 || (code >= 0x180b && code <= 0x180f) ||
      (code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
      (code >= 0x2060 && code <= 0x206f) || code === 0x2800 || code === 0x3164 ||
      (code >= 0xfe00 && code <= 0xfe0f) || code === 0xfeff || code === 0xffa0 ||
      (code >= 0xfff0 && code <= 0xfff8) || (code >= 0x1bca0 && code <= 0x1bca3) ||
      (code >= 0x1d173 && code <= 0x1d17a) || (code >= 0xe0000 && code <= 0xe0fff));
}

/** `U+` and at least four digits. */
export function codePoint(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
