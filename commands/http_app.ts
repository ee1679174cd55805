/** The one Hono app: MCP for agents, the admin API for operators, health and metrics for the platform. */
import { Hono } from "hono";
import type { AdminApp } from "../admin/environment.ts";
import { ALL_UPSTREAMS } from "../core/call.ts";
import type { JsonObject } from "../core/json.ts";
import { METADATA_PATH } from "../mcp/protected_resource.ts";

/** One part of the process that must work before calls are served. */
export interface ReadinessProbe {
  readonly part: string;
  /** Resolves when the part is ready, throws an error that says why it is not. */
  readonly probe: () => void | Promise<void>;
}

export interface HttpAppOptions {
  readonly mcp: (request: Request, upstream: string, sourceIp: string) => Promise<Response>;
  /** Metadata of the endpoint at a path, for clients that look for an authorization server. */
  readonly describe: (request: Request, path: string) => Response;
  readonly admin: AdminApp;
  readonly probes: readonly ReadinessProbe[];
  /** What `/readyz` tells beside the parts: nothing of it makes a replica unready, and everybody may read it. */
  readonly information: () => JsonObject;
  readonly metrics: () => { readonly text: string; readonly contentType: string };
  readonly sourceIpOf: (request: Request) => string;
}

/** The apps of the agents' and of the operators' listener; one and the same when there is one listener. */
export function httpApps(
  options: HttpAppOptions,
  separate: boolean,
): { readonly agents: Hono; readonly operators: Hono } {
  const agents = new Hono();
  // First, and without middleware: every call passes here.
  agents.all("/mcp/:upstream", (context) => {
    const request = context.req.raw;
    const name = context.req.param("upstream");
    // The name of all upstreams is none that a path can give.
    return options.mcp(request, name === ALL_UPSTREAMS ? "-" : name, options.sourceIpOf(request));
  });
  agents.all("/mcp", (context) => {
    const request = context.req.raw;
    return options.mcp(request, ALL_UPSTREAMS, options.sourceIpOf(request));
  });
  agents.get(METADATA_PATH, (context) => options.describe(context.req.raw, ""));
  agents.get(`${METADATA_PATH}/*`, (context) => {
    const request = context.req.raw;
    return options.describe(request, new URL(request.url).pathname.slice(METADATA_PATH.length));
  });
  addHealth(agents);
  const operators = separate ? addHealth(new Hono()) : agents;
  addOperations(operators, options);
  operators.route("/api/v1", options.admin);
  return { agents, operators };
}

function addHealth(app: Hono): Hono {
  return app.get("/healthz", (context) => context.json({ status: "ok" }));
}

function addOperations(app: Hono, options: HttpAppOptions): void {
  app.get("/readyz", async (context) => {
    const parts = await Promise.all(options.probes.map(ask));
    const ready = parts.every((part) => part.ready);
    const body = {
      status: ready ? "ready" : "not_ready",
      parts: Object.fromEntries(parts.map(({ part, ...state }) => [part, state])),
      ...options.information(),
    };
    return context.json(body, ready ? 200 : 503, { "cache-control": "no-store" });
  });
  app.get("/metrics", (context) => {
    const { text, contentType } = options.metrics();
    return context.body(text, 200, { "content-type": contentType });
  });
}

async function ask(
  { part, probe }: ReadinessProbe,
): Promise<{ readonly part: string; readonly ready: boolean; readonly reason?: string }> {
  try {
    await probe();
    return { part, ready: true };
  } catch (error) {
    return { part, ready: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
