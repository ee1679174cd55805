/** Lists of the aggregate endpoint: those of all upstreams that answer, each filtered for the caller as it would be alone. */
import type { JsonObject } from "../../core/json.ts";
import { type Answer, collectAnswer, readIncoming } from "../answer.ts";
import type { Arrival, FrontParts } from "../arrival.ts";
import { listFilter } from "../lists.ts";
import type { RequestMessage } from "../message.ts";
import type { Admitted } from "../port.ts";
import type { Exchange, ResolvedUpstream } from "../upstream_connection.ts";
import { itemTexts, shownItem } from "./shown_texts.ts";
import { askInLanes } from "./upstream_lanes.ts";

/** The list of each method: its member of the result, and what names an item. */
const LISTS: Readonly<Record<string, readonly [string, "name" | "uri" | "uriTemplate"]>> = {
  "tools/list": ["tools", "name"],
  "prompts/list": ["prompts", "name"],
  "resources/list": ["resources", "uri"],
  "resources/templates/list": ["resourceTemplates", "uriTemplate"],
};
/** Longest time for a page, milliseconds: who has not answered by then is left out, who was not asked comes with the next. */
const MAX_LIST_MS = 10_000;
/** Longest cursor of one upstream: with a longer one its list ends, so that those of the others go on. */
const MAX_OWN_CURSOR_LENGTH = 2_048;
/** Most characters of one page; upstreams whose pages do not fit come with the next. */
const MAX_PAGE_LENGTH = 32 * 1024 * 1024;

/** How one upstream is asked for a page of its list. */
export type AskForPage = (
  upstream: ResolvedUpstream,
  arrival: Arrival,
  message: RequestMessage,
) => Promise<Exchange>;

/** What a list is made for. */
export interface AggregateListing {
  readonly admitted: Admitted;
  readonly upstreams: readonly ResolvedUpstream[];
  /** The request as one at that upstream. */
  readonly arrivalAt: (upstream: ResolvedUpstream) => Arrival;
  readonly ask: AskForPage;
  readonly withinMs?: number;
}

/** A page: the member of the result with the items as texts, and where the next begins. */
export interface AggregatePage {
  readonly member: string;
  readonly items: readonly string[];
  readonly nextCursor?: string;
}

/** One upstream's part of a page. */
interface Part {
  readonly items: readonly string[];
  readonly cursor: string | undefined;
}

const NOTHING: Part = { items: [], cursor: undefined };

/** Lists one page; upstreams that do not answer are left out. Throws `MessageError` for a cursor that is none of ours. */
export async function listPage(
  parts: FrontParts,
  message: RequestMessage,
  listing: AggregateListing,
): Promise<AggregatePage> {
  const [member, named] = LISTS[message.method] ?? [];
  if (member === undefined || named === undefined) throw new TypeError(`"${message.method}" lists nothing`);
  const cursors = await parts.listCursors.read(message, listing.admitted);
  const asked = listing.upstreams.filter(({ name }) => cursors === undefined || cursors.has(name));
  const pages = new Map<string, Part>();
  let length = 0;
  const unasked = await askInLanes(asked, {
    ask: (upstream, leftMs) => {
      const own = withCursor(message, cursors?.get(upstream.name));
      return partOf(parts, own, listing, { upstream: inTime(upstream, leftMs), member, named });
    },
    takes: ({ name }, part) => {
      pages.set(name, part);
      length += lengthOf(part);
      return length < MAX_PAGE_LENGTH;
    },
    withinMs: listing.withinMs ?? MAX_LIST_MS,
  });
  const waiting = new Set(unasked.map(({ name }) => name));
  const { items, next } = joined(asked.map(({ name }) => ({
    ...{ name, cursor: cursors?.get(name) ?? "" },
    part: waiting.has(name) ? undefined : pages.get(name) ?? NOTHING,
  })));
  const nextCursor = await parts.listCursors.write(next, message, listing.admitted);
  return { member, items, ...(nextCursor === undefined ? {} : { nextCursor }) };
}

/** One upstream with the cursor that it was to be asked with; without a part it was not. */
interface Asked {
  readonly name: string;
  readonly cursor: string;
  readonly part: Part | undefined;
}

/** What fits on the page, in the order of the upstreams, and where the next begins. */
function joined(asked: readonly Asked[]) {
  const items: string[] = [];
  const next = new Map<string, string>();
  let length = 0;
  for (const { name, cursor, part } of asked) {
    if (part === undefined || (length > 0 && length + lengthOf(part) > MAX_PAGE_LENGTH)) {
      next.set(name, cursor);
      continue;
    }
    length += lengthOf(part);
    items.push(...part.items);
    if (part.cursor !== undefined) next.set(name, part.cursor);
  }
  return { items, next };
}

function lengthOf({ items }: Part): number {
  return items.reduce((sum, item) => sum + item.length, 0);
}

async function partOf(
  parts: FrontParts,
  message: RequestMessage,
  { admitted, arrivalAt, ask }: AggregateListing,
  { upstream, member, named }: {
    readonly upstream: ResolvedUpstream;
    readonly member: string;
    readonly named: "name" | "uri" | "uriTemplate";
  },
): Promise<Part> {
  const arrival = arrivalAt(upstream);
  // An upstream that is busy, or known to be down, is left out like one that does not answer.
  if (parts.loads.enter(upstream.name, admitted.tenant) !== undefined) return NOTHING;
  try {
    const exchange = await ask(upstream, arrival, message);
    const answer = await collectAnswer(exchange, message.id, upstream.max_response_bytes);
    const filtered = reread(await listFilter(parts, arrival, admitted, message.id)(answer));
    const items = itemTexts(filtered, member).map((item) => shownItem(item, named, upstream.name));
    const cursor = filtered.result?.value.nextCursor;
    const isUsable = typeof cursor === "string" && cursor.length <= MAX_OWN_CURSOR_LENGTH;
    return { items, cursor: isUsable ? cursor : undefined };
  } catch (error) {
    // An upstream that is down, or has no such list, must not hide the others.
    parts.onNoAnswer?.(upstream.name, error);
    return NOTHING;
  } finally {
    parts.loads.leave(upstream.name, admitted.tenant);
  }
}

/** One silent upstream must not keep the lists of all others back. */
function inTime(upstream: ResolvedUpstream, leftMs: number): ResolvedUpstream {
  return { ...upstream, timeout_ms: Math.min(upstream.timeout_ms, Math.ceil(leftMs)) };
}

function reread(text: string): Answer {
  const incoming = readIncoming(text);
  return incoming.kind === "answer" ? incoming.answer : { text };
}

function withCursor(message: RequestMessage, cursor: string | undefined): RequestMessage {
  const { cursor: _given, ...rest } = message.params ?? {};
  const params: JsonObject = cursor === undefined || cursor === "" ? rest : { ...rest, cursor };
  const text = JSON.stringify({ jsonrpc: "2.0", id: message.id, method: message.method, params });
  return { ...message, params, bytes: new TextEncoder().encode(text) };
}
