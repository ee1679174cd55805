/** Reads what `docs/reference/audit_events.md` promises of every kind of event, and holds events against it. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";

/** One row of a table. */
export interface DocumentedMember {
  /** For example `unmapped.trail[].check`. */
  readonly path: string;
  readonly type: string;
  readonly isAlways: boolean;
}

/** The members of every kind, and the events that stand on the page as examples. */
export interface EventPage {
  readonly kinds: ReadonlyMap<string, readonly DocumentedMember[]>;
  readonly examples: readonly JsonObject[];
}

const reference = (name: string) => new URL(`../../docs/reference/${name}`, import.meta.url);
const CODE = /`([a-z_]+\.[a-z_]+)`/g;

/** The kinds that the table of `audit.md` lists. */
export async function listedKinds(): Promise<readonly string[]> {
  const page = await Deno.readTextFile(reference("audit.md"));
  const [, table = ""] = /\| event_code[^\n]*\n((?:\|[^\n]*\n)+)/.exec(page) ?? [];
  return table.split("\n").flatMap((row) => codesIn(row.split("|")[1] ?? "")).sort();
}

/** The page as it stands. A section is about the kinds that its heading names, "Every event" about all of them. */
export async function readEventPage(): Promise<EventPage> {
  const page = await Deno.readTextFile(reference("audit_events.md"));
  const kinds = new Map<string, DocumentedMember[]>();
  let common: readonly DocumentedMember[] = [];
  for (const section of page.split(/^(?=##+ )/m)) {
    const [heading = ""] = section.split("\n");
    const members = section.split("\n").filter((line) => line.startsWith("|")).flatMap(membersOf);
    if (heading === "## Every event") common = members;
    for (const code of codesIn(heading)) kinds.set(code, [...kinds.get(code) ?? [], ...members]);
  }
  const examples = [...page.matchAll(/```json\n([\s\S]+?)```/g)].map(([, text = ""]) => JSON.parse(text));
  return { kinds: new Map([...kinds].map(([code, own]) => [code, [...common, ...own]])), examples };
}

/** What an event has that its kind is not promised to have, and the other way round. */
export function differences(page: EventPage, event: JsonObject): readonly string[] {
  const code = codeOf(event);
  const members = page.kinds.get(code);
  if (members === undefined) return [`"${code}" has no section`];
  const found: string[] = [];
  for (const { path, type } of leavesOf(event, "")) {
    const documented = members.find((member) => member.path === path);
    const isBelow = members.some((member) => member.type === "object" && path.startsWith(`${member.path}.`));
    const hasRows = type === "list" && members.some((member) => member.path.startsWith(`${path}[].`));
    if (documented === undefined) {
      if (!isBelow && !hasRows) found.push(`${path} is not documented`);
    } else if (documented.type !== type && path !== "entity.data.tenants") {
      found.push(`${path} is documented as ${documented.type} and is a ${type}`);
    }
  }
  for (const { path, isAlways } of members) {
    if (isAlways && !isThere(event, path.split("."))) found.push(`${path} is not there`);
  }
  return found;
}

/** `metadata.event_code`. */
export function codeOf(event: JsonObject): string {
  const code = isJsonObject(event.metadata) ? event.metadata.event_code : undefined;
  if (typeof code !== "string") throw new TypeError("An event has no event_code");
  return code;
}

function codesIn(text: string): readonly string[] {
  return [...text.matchAll(CODE)].map(([, code = ""]) => code);
}

function membersOf(row: string): readonly DocumentedMember[] {
  const [paths = "", type = "", always = ""] = row.split("|").slice(1).map((cell) => cell.trim());
  return [...paths.matchAll(/`([^`]+)`/g)].filter(() => always === "yes" || always === "")
    .map(([, path = ""]) => ({ path, type, isAlways: always === "yes" }));
}

function* leavesOf(
  value: JsonValue | undefined,
  path: string,
): Generator<{ readonly path: string; readonly type: string }> {
  if (Array.isArray(value)) {
    const objects = value.filter((item) => isJsonObject(item));
    if (objects.length === 0) yield { path, type: "list" };
    for (const item of objects) yield* leavesOf(item, `${path}[]`);
  } else if (isJsonObject(value) && Object.keys(value).length > 0) {
    for (const [name, member] of Object.entries(value)) {
      yield* leavesOf(member, path === "" ? name : `${path}.${name}`);
    }
  } else yield { path, type: typeOf(value) };
}

function typeOf(value: JsonValue | undefined): string {
  return typeof value === "number" ? Number.isInteger(value) ? "integer" : "number" : typeof value;
}

function isThere(value: JsonValue | undefined, path: readonly string[]): boolean {
  const [step = "", ...rest] = path;
  if (step === "") return value !== undefined;
  const name = step.replace("[]", "");
  const member = isJsonObject(value) ? value[name] : undefined;
  if (name === step) return isThere(member, rest);
  return Array.isArray(member) && member.every((item) => isThere(item, rest));
}
