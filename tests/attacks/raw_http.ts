/** HTTP as an attacker writes it: bytes on a connection, without a client that repairs them. */

const ACCEPT = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

/** A POST's head, with what an MCP client sends and these further header lines. */
export function postHead(path: string, ...lines: readonly string[]): string {
  return `POST ${path} HTTP/1.1\r\n${ACCEPT}${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
}

/** Writes the text, then reads until the server closes or the time is up. */
export async function sendRaw(url: string, text: string, timeoutMs = 5_000): Promise<string> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const close = () => {
    try {
      connection.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  };
  const timer = setTimeout(close, timeoutMs);
  let received = "";
  try {
    await connection.write(new TextEncoder().encode(text));
    const buffer = new Uint8Array(65_536);
    for (let read = await connection.read(buffer); read !== null; read = await connection.read(buffer)) {
      received += new TextDecoder().decode(buffer.subarray(0, read));
    }
  } catch {
    // The server hung up, or the time is up: what came so far is the answer.
  }
  clearTimeout(timer);
  close();
  return received;
}
