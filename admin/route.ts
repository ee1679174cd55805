/** Joins the description of a route with what it does. */
import type { Context, Handler } from "hono";
import type { AuditEntry } from "../core/audit_entry.ts";
import type { Tx } from "../core/tx.ts";
import type { AnswerOf, FileAnswer, RouteSpec } from "./contract/route.ts";
import { REPLAYED_HEADER } from "./contract/idempotency_key.ts";
import type { AdminEnvironment, AdminVariables } from "./environment.ts";
import {
  claimKey,
  findAnswer,
  keepAnswer,
  type KeyedRequest,
  keyedRequest,
  type SentAnswer,
} from "./idempotency.ts";
import { type AdminRequest, readRequest } from "./request.ts";

/** A route that can be served. */
export interface AdminRoute {
  readonly spec: RouteSpec;
  readonly handler: Handler<AdminVariables>;
}

/** A route that only reads. */
export function reading<Spec extends RouteSpec & { readonly method: "GET" }>(
  spec: Spec,
  answer: (request: AdminRequest<Spec>) => AnswerOf<Spec> | Promise<AnswerOf<Spec>>,
): AdminRoute {
  return {
    spec,
    handler: async (context) => {
      const { request } = await readRequest(context, spec);
      return send(context, { status: spec.answer.status, text: JSON.stringify(await answer(request)) });
    },
  };
}

/** An answer that is no JSON, with what else its head says. */
export interface ServedFile {
  readonly body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A route that reads a file. `isHead`: the head is wanted alone. */
export function serving<Spec extends RouteSpec & { readonly method: "GET"; readonly answer: FileAnswer }>(
  spec: Spec,
  serve: (request: AdminRequest<Spec>, isHead: boolean) => Promise<ServedFile>,
): AdminRoute {
  return {
    spec,
    handler: async (context) => {
      const { request } = await readRequest(context, spec);
      const { body, headers } = await serve(request, context.req.method === "HEAD");
      return context.body(body, spec.answer.status, { "content-type": spec.answer.file, ...headers });
    },
  };
}

/** What a change led to: its answer, and the events that are appended with it. */
export interface Outcome<Answer> {
  readonly answer: Answer;
  readonly events: readonly AuditEntry[];
}

/** A change that has committed, now or when the same request came before. Only `Commit` gives one. */
export interface Committed extends SentAnswer {
  readonly replayed: boolean;
}

/**
 * Makes a change in one transaction with its audit events and, for a request with an idempotency key, its answer. The
 * events come last: they lock the head of their chain until the commit.
 */
export type Commit<Answer> = (work: (tx: Tx) => Promise<Outcome<Answer>>) => Promise<Committed>;

/** A route that changes something: looks at what it needs, then commits. */
export function changing<Spec extends RouteSpec & { readonly method: "POST" | "PATCH" | "DELETE" }>(
  environment: AdminEnvironment,
  spec: Spec,
  change: (request: AdminRequest<Spec>, commit: Commit<AnswerOf<Spec>>) => Promise<Committed>,
): AdminRoute {
  return {
    spec,
    handler: async (context) => {
      const { request, sentBody } = await readRequest(context, spec);
      const keyed = keyedRequest(context.req.header("idempotency-key"), request.operator.id, {
        ...{ method: spec.method, path: context.req.path, body: sentBody },
      });
      // Asked before anything else: what the change needs may be gone because the change was made.
      const known = keyed && await findAnswer(environment.idempotency, keyed);
      const done = known === undefined
        ? await change(request, committing(environment, spec.answer.status, keyed))
        : { ...known, replayed: true };
      if (done.replayed) context.header(REPLAYED_HEADER, "true");
      return send(context, done);
    },
  };
}

function committing<Answer>(
  environment: AdminEnvironment,
  status: number,
  keyed: KeyedRequest | undefined,
): Commit<Answer> {
  return (work) =>
    environment.transact(async (tx) => {
      const known = keyed && await claimKey(environment.idempotency, tx, keyed);
      if (known !== undefined) return { ...known, replayed: true };
      const { answer, events } = await work(tx);
      const sent = { status, text: JSON.stringify(answer) };
      if (keyed !== undefined) await keepAnswer(environment.idempotency, tx, keyed, sent);
      await environment.appendIn(tx, events);
      return { ...sent, replayed: false };
    });
}

function send(context: Context<AdminVariables>, { status, text }: SentAnswer): Response {
  return context.body(text, status as 200 | 201, { "content-type": "application/json" });
}
