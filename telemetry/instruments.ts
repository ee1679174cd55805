/**
 * Counters, gauges and histograms whose counting costs some nanoseconds: the path of a call counts half a dozen times, and
 * a library that looks its labels up by text on every count takes a twentieth of what a decision may cost.
 */

/** What a metric is called and what it means. `labels` says what each label's values are. */
export interface MetricText {
  readonly name: string;
  readonly help: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** One line of the exposition: what is appended to the name, the labels, the value. */
export interface Sample {
  readonly suffix?: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly value: number;
}

/** One metric as it is described and read. */
export interface MetricFamily extends MetricText {
  readonly type: "counter" | "gauge" | "histogram";
  samples(): Iterable<Sample>;
}

/** A number that only grows. */
export class Count {
  value = 0;

  increase(by = 1): void {
    this.value += by;
  }
}

/** How often values fell between fixed bounds, and their sum. */
export class Distribution {
  readonly bounds: readonly number[];
  /** One per bound, and one for what is above the last. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    counts[at]! += 1;
    this.sum += value;
  }
}

/** Children of a metric beyond this number are counted together, under the label value `other`. */
const MAX_CHILDREN = 200;

/** The children of one metric by the values of up to two labels, each made when it is first asked for. */
export class Children<Child> {
  readonly #make: () => Child;
  readonly #byValues = new Map<string, Map<string, Child>>();
  #size = 0;

  constructor(make: () => Child) {
    this.#make = make;
  }

  at(first = "", second = ""): Child {
    return this.#byValues.get(first)?.get(second) ?? this.#add(first, second);
  }

  /** Makes children at the start, so that they stand in the exposition with 0 before anything happened. */
  declare(...values: readonly (readonly [string?, string?])[]): this {
    for (const [first, second] of values) this.at(first, second);
    return this;
  }

  *entries(): Generator<readonly [readonly [string, string], Child]> {
    for (const [first, inner] of this.#byValues) {
      for (const [second, child] of inner) yield [[first, second], child];
    }
  }

  #add(first: string, second: string): Child {
    const beyond = second === "" ? "" : OTHER;
    if (this.#size >= MAX_CHILDREN && (first !== OTHER || second !== beyond)) return this.at(OTHER, beyond);
    const inner = this.#byValues.get(first) ?? new Map<string, Child>();
    this.#byValues.set(first, inner);
    const child = this.#make();
    inner.set(second, child);
    this.#size++;
    return child;
  }
}

const OTHER = "other";

/** Samples of a family of counters. */
export function* countSamples(names: readonly string[], children: Children<Count>): Generator<Sample> {
  for (const [values, { value }] of children.entries()) yield { labels: pairs(names, values), value };
}

/** Samples of a family of histograms, cumulative as Prometheus wants them. */
export function* distributionSamples(
  names: readonly string[],
  children: Children<Distribution>,
): Generator<Sample> {
  for (const [values, { bounds, counts, sum }] of children.entries()) {
    const labels = pairs(names, values);
    let total = 0;
    for (const [index, count] of counts.entries()) {
      total += count;
      const bound = bounds[index] ?? Infinity;
      yield { suffix: "_bucket", labels: [...labels, ["le", numberText(bound)]], value: total };
    }
    yield { suffix: "_sum", labels, value: sum };
    yield { suffix: "_count", labels, value: total };
  }
}

function pairs(names: readonly string[], values: readonly string[]): (readonly [string, string])[] {
  return names.map((name, index) => [name, values[index] ?? ""]);
}

/** Prometheus text exposition 0.0.4 of the families, in their order. */
export function exposition(families: Iterable<MetricFamily>): string {
  const lines: string[] = [];
  for (const { name, help, type, samples } of families) {
    lines.push(`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`);
    lines.push(`# TYPE ${name} ${type}`);
    for (const { suffix = "", labels, value } of samples()) {
      lines.push(`${name}${suffix}${labelsText(labels)} ${numberText(value)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function labelsText(labels: Sample["labels"]): string {
  if (labels.length === 0) return "";
  const escaped = (value: string) =>
    value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `{${labels.map(([name, value]) => `${name}="${escaped(value)}"`).join(",")}}`;
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
