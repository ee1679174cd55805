/**
 * Adds a token to every request: the suite cannot send one. Speaks HTTP through `node:http`, because Host and Origin
 * must arrive as they were sent, or the scenarios about DNS rebinding would mean nothing.
 */
import http from "node:http";

/** A running proxy. */
export interface TokenProxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a proxy in front of `target`, for example `http://127.0.0.1:8080`. */
export async function startTokenProxy(target: string, token: string): Promise<TokenProxy> {
  const { hostname, port } = new URL(target);
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const headers: http.OutgoingHttpHeaders = { ...request.headers, authorization: `Bearer ${token}` };
    delete headers.connection;
    const options = { agent, hostname, port, method: request.method, path: request.url, headers };
    const upstream = http.request(options, (answer) => {
      const { connection: _1, "keep-alive": _2, "transfer-encoding": _3, ...passed } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, passed);
      response.flushHeaders();
      answer.pipe(response);
      response.on("close", () => answer.destroy());
    });
    upstream.on("error", () => {
      if (!response.headersSent) response.writeHead(502);
      response.end();
    });
    response.on("close", () => {
      if (!response.writableFinished) upstream.destroy();
    });
    request.pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("The proxy has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async stop() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
