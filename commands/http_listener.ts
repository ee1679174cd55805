/** One HTTP listener that outlives a failure of the runtime's accept loop, and whose connections are watched. */
import type { Hono } from "hono";
import { errorText, type Log } from "../telemetry/log.ts";
import type { ConnectionGuard } from "./connection_guard.ts";
import type { ListenAddress } from "./listener.ts";

export interface HttpListenerOptions {
  readonly app: Hono;
  readonly address: ListenAddress;
  /** Where the sender of each request is kept. */
  readonly peers: WeakMap<Request, Deno.NetAddr>;
  /** Absent where connections cannot be watched. */
  readonly guard: ConnectionGuard | undefined;
  readonly log: Log;
}

export interface HttpListener {
  readonly hostname: string;
  readonly port: number;
  /** Takes no more connections, and resolves when those that are open have ended. */
  shutdown(): Promise<void>;
}

const REOPEN_MS = 200;

/** Opens it; throws when the address cannot be had. */
export function openHttpListener(options: HttpListenerOptions): HttpListener {
  const { address, log } = options;
  let server = serve(options, address);
  const { hostname, port } = server.addr;
  let isClosing = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  // Too many open files end the accept loop for good, and unheard that would end the process.
  const outlive = () =>
    server.finished.catch((error) => {
      if (isClosing) return;
      log("error", "A listener failed and opens again", { port, error: errorText(error) });
      reopen();
    });
  const reopen = () => {
    timer = setTimeout(() => {
      try {
        server = serve(options, { hostname: address.hostname, port });
        void outlive();
      } catch (error) {
        log("error", "A listener cannot open again yet", { port, error: errorText(error) });
        reopen();
      }
    }, REOPEN_MS);
  };
  void outlive();
  options.guard?.watch(port);
  return {
    ...{ hostname, port },
    shutdown: async () => {
      isClosing = true;
      clearTimeout(timer);
      await server.shutdown();
    },
  };
}

function serve(
  options: HttpListenerOptions,
  { hostname, port }: ListenAddress,
): Deno.HttpServer<Deno.NetAddr> {
  const { app, peers, guard, log } = options;
  const onError = (error: unknown) => {
    log("error", "A request met a fault", { error: errorText(error) });
    return new Response(null, { status: 500 });
  };
  const listening = { hostname, port, onListen: () => {}, onError };
  return Deno.serve(listening, (request, { remoteAddr }) => {
    peers.set(request, remoteAddr);
    const answer = app.fetch(request);
    if (guard === undefined) return answer;
    const end = guard.begin(remoteAddr.hostname, remoteAddr.port);
    return answer instanceof Promise ? ended(answer, end) : (end(answer), answer);
  });
}

async function ended(
  answer: Promise<Response>,
  end: (response: Response | undefined) => void,
): Promise<Response> {
  let response: Response | undefined;
  try {
    return response = await answer;
  } finally {
    end(response);
  }
}
