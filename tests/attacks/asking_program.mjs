// A tool server on stdio that asks before it deletes: `confirm` asks after `ms`, `slow` only takes time.
import readline from "node:readline";

const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const text = (id, said) => send({ id, result: { content: [{ type: "text", text: said }] } });
const tool = (name) => ({ name, inputSchema: { type: "object" } });
const serverInfo = { name: "asking", version: "1" };
const waiting = new Map();
let questions = 0;

function answer({ id, method, params }) {
  if (method === "initialize") {
    return send({ id, result: { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo } });
  }
  if (method === "tools/list") return send({ id, result: { tools: [tool("confirm"), tool("slow")] } });
  if (method !== "tools/call") return send({ id, error: { code: -32601, message: "Method not found" } });
  const { who, ms = 0 } = params.arguments;
  if (params.name === "slow") return setTimeout(() => text(id, "done"), ms);
  setTimeout(() => {
    const question = `q${++questions}`;
    waiting.set(question, id);
    const requestedSchema = { type: "object", properties: {} };
    send({
      id: question,
      method: "elicitation/create",
      params: { message: `Delete ${who}?`, requestedSchema },
    });
  }, ms);
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.method !== undefined) return message.id === undefined ? undefined : answer(message);
  if (!waiting.has(message.id)) return;
  text(
    waiting.get(message.id),
    message.result?.action === "accept" ? "deleted" : `not deleted: ${JSON.stringify(message)}`,
  );
  waiting.delete(message.id);
});
