/** Reads Prometheus text exposition 0.0.4 back, strictly: what a test cannot read, a scraper need not either. */

export interface ReadFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly ReadSample[];
}

export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*",?)*)\})? ([+-]?Inf|NaN|[+-]?[0-9.]+(?:e[+-]?[0-9]+)?)$/;

/** The families of a text, by name; throws on the first line that the format does not allow. */
export function readExposition(text: string): ReadonlyMap<string, ReadFamily> {
  if (!text.endsWith("\n")) throw new SyntaxError("The last line must end with a line feed");
  const families = new Map<string, ReadFamily & { samples: ReadSample[] }>();
  let current: (ReadFamily & { samples: ReadSample[] }) | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line) ??
      [];
    if (keyword === "HELP") {
      help = { name, text: rest };
    } else if (keyword === "TYPE") {
      if (help?.name !== name) throw new SyntaxError(`"${name}" has a type but no help before it`);
      if (families.has(name)) throw new SyntaxError(`"${name}" stands twice`);
      current = { name, help: help.text, type: rest, samples: [] };
      families.set(name, current);
    } else {
      current?.samples.push(readSample(line, current));
      if (current === undefined) throw new SyntaxError(`Sample before any type: ${line}`);
    }
  }
  return families;
}

function readSample(line: string, family: ReadFamily): ReadSample {
  const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
  const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  if (!suffixes.some((suffix) => name === family.name + suffix)) {
    throw new SyntaxError(`Expected a sample of "${family.name}", found: ${line}`);
  }
  const read: Record<string, string> = {};
  for (const [, label = "", text = ""] of labels.matchAll(/([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"/g)) {
    if (label in read) throw new SyntaxError(`Label "${label}" stands twice: ${line}`);
    read[label] = text.replace(/\\(.)/g, (_, escaped: string) => escaped === "n" ? "\n" : escaped);
  }
  return { name, labels: read, value: Number(value.replace("Inf", "Infinity")) };
}
