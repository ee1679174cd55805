/**
 * "acme": a small real MCP tool server, so that there is something to call. Both protocol eras, Streamable HTTP,
 * no credentials: it is meant for loopback only. Alone: `deno run -A demo/acme_server.ts --port 9000`.
 */
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  originValidationResponse,
} from "@modelcontextprotocol/server";
import { Book } from "./invoices.ts";
import { createAcmeServer } from "./tools.ts";

/** A longer request body is answered with 413. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** A running acme server. */
export interface Acme {
  /** Its MCP endpoint. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts acme with fresh books. Port 0 takes a free one. */
export function startAcme(options: { readonly hostname: string; readonly port: number }): Acme {
  const book = new Book();
  const handler = createMcpHandler(() => createAcmeServer(book), { maxRequestBodySize: MAX_BODY_BYTES });
  const server = Deno.serve({ ...options, onListen: () => {} }, (request, info) => {
    const { pathname } = new URL(request.url);
    if (pathname !== "/mcp") return new Response("Not found\n", { status: 404 });
    return refuseForeignPage(request) ?? handler.fetch(withOwnSignal(request, info.completed));
  });
  return {
    url: `http://${server.addr.hostname}:${server.addr.port}/mcp`,
    async stop() {
      await handler.close();
      await server.shutdown();
    },
  };
}

/**
 * Deno aborts `request.signal` after successful answers too, and warns when anyone reads it; `completed` rejects only
 * when the client went away.
 */
function withOwnSignal(request: Request, completed: Promise<void>): Request {
  const gone = new AbortController();
  completed.catch(() => gone.abort());
  const { method, headers, body } = request;
  return new Request(request.url, { method, headers, body, signal: gone.signal });
}

/** Without credentials, Host and Origin are all that keeps a web page in the same browser from calling these tools. */
function refuseForeignPage(request: Request): Response | undefined {
  return hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
    originValidationResponse(request, localhostAllowedOrigins());
}

function portFrom(args: readonly string[]): number {
  const at = args.indexOf("--port");
  if (at < 0) return 9000;
  const port = Number(args[at + 1]);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new TypeError(`Cannot use port "${args[at + 1]}": expected a number from 0 to 65535`);
  }
  return port;
}

if (import.meta.main) {
  const acme = startAcme({ hostname: "127.0.0.1", port: portFrom(Deno.args) });
  console.log(`acme listens on ${acme.url}`);
}
