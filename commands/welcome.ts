/** What a person sees after a start: where things are, and commands to paste. */
import type { Terminal } from "./command.ts";
import type { RunningProcess } from "./process.ts";

/** Prints the welcome text. */
export function printWelcome(terminal: Terminal, running: RunningProcess): void {
  const { url, adminUrl, dataDir } = running;
  const token = running.operatorTokenFrom === "file"
    ? `${dataDir}/operator_token`
    : "from INTENTGATE_OPERATOR_TOKEN";
  terminal.print(`IntentGate is running

  MCP             ${url}/mcp/${running.demo ? "acme" : "<upstream>"}
  Admin API       ${adminUrl}/api/v1
  Operator token  ${token}
  Database        ${running.database}${
    running.database === "embedded"
      ? ` in ${dataDir}/database (for trying out; set DATABASE_URL for PostgreSQL)`
      : ""
  }`);
  if (running.demo) terminal.print(demoText(running));
}

function demoText({ url, adminUrl, dataDir, operatorTokenFrom }: RunningProcess): string {
  const operator = operatorTokenFrom === "file"
    ? `$(cat ${dataDir}/operator_token)`
    : "$INTENTGATE_OPERATOR_TOKEN";
  const call = (id: number, name: string, argument: string) =>
    `curl -s ${url}/mcp/acme -H "Authorization: Bearer $TOKEN" -H "Mcp-Session-Id: $SESSION" \\
    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\
    -d '{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${name}","arguments":{"invoice_id":"${argument}"}}}'`;
  return `
Try it (in another terminal):

  # 1. mint a token for an agent that may read invoices and vendors
  TOKEN=$(curl -s ${adminUrl}/api/v1/tokens -H "Authorization: Bearer ${operator}" -H 'Content-Type: application/json' \\
    -d '{"tenant":"acme","agent":"demo","ttl_seconds":3600,"tools":["read_*","list_*"]}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
  SESSION=$(curl -s -D - -o /dev/null ${url}/mcp/acme -H "Authorization: Bearer $TOKEN" \\
    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\
    -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"0"}}}' \\
    | tr -d '\\r' | sed -n 's/^mcp-session-id: //ip')

  # 2. an allowed call
  ${call(2, "read_invoice", "INV-1001")}

  # 3. a refused call
  ${call(3, "pay_invoice", "INV-1001")}
`;
}
