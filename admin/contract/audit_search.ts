/** Finding events, and following them as they come. */
import * as z from "zod";
import { chainName, eventTerms, seq, sha256 } from "./audit_words.ts";
import { routeSpec } from "./route.ts";
import { page, pageQuery, UNKNOWN_TENANT } from "./words.ts";

const READ = { method: "GET", access: { role: "auditor", scope: "tenant" } } as const;

const TOO_MANY_SEARCHES = {
  code: "too_many_searches",
  when: "The operator, or all together, have too many searches under way.",
} as const;
const TOO_MANY_STREAMS = {
  code: "too_many_streams",
  when: "The operator, or all together, follow too many streams.",
} as const;
const AHEAD = {
  code: "ahead_of_chain",
  when: "The chain has no event of this number yet: it is not the one that was followed before.",
} as const;

/** The header with which a reader of a stream goes on; https://html.spec.whatwg.org/#the-last-event-id-header. */
export const lastEventId = z.string().regex(/^(0|[1-9][0-9]{0,14})$/, "the number of an event")
  .describe("The `id` of the last message that came; counts more than `after`.");

/** Searching and following. Neither is evidence: that is what exports and the log are for. */
export const AUDIT_SEARCH_ROUTES = {
  search: routeSpec({
    id: "searchAuditEvents",
    ...{ ...READ, path: "/audit/search" },
    summary: "Find events, the newest first",
    query: pageQuery(seq, { tenant: chainName, ...eventTerms }),
    answer: {
      status: 200,
      description:
        "One page, the newest first. A page may have fewer rows than `limit`, even none, and still a `next_after`: the " +
        "search then has looked for as long as it may and goes on from there.",
      schema: page(
        "events",
        z.strictObject({
          seq,
          hash: sha256,
          event: z.looseObject({}).describe("An OCSF event, see audit.md."),
        }),
        seq,
      ).extend({
        tenant: chainName,
        indexed_to: seq.describe("Last event that the index covers; later ones are looked at one by one."),
      }),
    },
    problems: { 404: [UNKNOWN_TENANT], 429: [TOO_MANY_SEARCHES] },
  }),
  stream: routeSpec({
    id: "streamAuditEvents",
    ...{ ...READ, path: "/audit/stream" },
    summary: "Follow events as they are recorded",
    query: z.strictObject({
      tenant: chainName,
      after: seq.optional().describe("Begin after this event; absent: with the next one that comes."),
      ...eventTerms,
    }),
    headers: z.strictObject({ "Last-Event-ID": lastEventId.optional() }),
    answer: {
      status: 200,
      description: "Server-sent events, see audit_search.md: `id` is the number, `data` the canonical event.",
      file: "text/event-stream",
    },
    problems: { 404: [UNKNOWN_TENANT], 422: [AHEAD], 429: [TOO_MANY_STREAMS] },
  }),
} as const;
