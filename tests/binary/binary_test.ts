/**
 * The compiled program (`dist/intentgate`, made by `deno task compile`) does what the sources do: from an empty folder, and
 * inside a root folder that holds only the binary, its shared libraries and /proc (what a distroless `cc` image gives).
 */
import assert from "node:assert/strict";
import { freePort, type GatewayProcess, startGateway } from "../gateway_process.ts";

const BINARY = decodeURIComponent(new URL("../../dist/intentgate", import.meta.url).pathname);

interface ToolAnswer {
  readonly result?: { readonly content: readonly { readonly text: string }[] };
  readonly error?: { readonly code: number; readonly data: { readonly check: string } };
}

async function callTool(
  gateway: GatewayProcess,
  token: string,
  name: string,
  args: Readonly<Record<string, unknown>>,
): Promise<ToolAnswer> {
  const post = (body: unknown, session?: string) =>
    fetch(`${gateway.url}/mcp/acme`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": "2025-11-25",
        ...(session === undefined ? {} : { "mcp-session-id": session }),
      },
      body: JSON.stringify({ jsonrpc: "2.0", ...body as object }),
    });
  const clientInfo = { name: "binary-test", version: "1" };
  const opened = await post({
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo },
  });
  const said = await opened.text();
  assert.equal(opened.status, 200, said);
  const session = opened.headers.get("mcp-session-id");
  assert.ok(session, `initialize opens no session: ${said}\n${gateway.stderr}`);
  await (await post({ method: "notifications/initialized" }, session)).text();
  const answer = await post({ id: 2, method: "tools/call", params: { name, arguments: args } }, session);
  const text = await answer.text();
  const data = text.split("\n").find((line) => line.startsWith("data: "))?.slice("data: ".length);
  return JSON.parse(data ?? text);
}

/** One allowed call, one refused call, and a chain that verifies. */
async function assertGoverns(gateway: GatewayProcess): Promise<void> {
  const { token } = await gateway.mint({
    tenant: "default",
    agent: "binary",
    ttl_seconds: 300,
    upstreams: ["acme"],
    tools: ["read_invoice"],
  });
  const allowed = await callTool(gateway, token, "read_invoice", { invoice_id: "INV-1001" });
  assert.match(allowed.result?.content[0]?.text ?? JSON.stringify(allowed), /"amount_cents":12500/);
  const refused = await callTool(gateway, token, "delete_vendor", { vendor_id: "V-4" });
  assert.equal(refused.error?.code, -31010, JSON.stringify(refused));
  const verified = await gateway.api("GET", "/api/v1/audit/verify?tenant=default");
  assert.equal((await verified.json()).verdict, "verified");
}

async function runBinary(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly text: string }> {
  const ran = await new Deno.Command(BINARY, { args: [...args], stdin: "null" }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: ran.code, text: decode(ran.stdout) + decode(ran.stderr) };
}

Deno.test("the binary governs calls from an empty folder and ends cleanly on SIGTERM", async () => {
  const cwd = await Deno.makeTempDir({ prefix: "intentgate_empty_" });
  try {
    const gateway = await startGateway({ command: [BINARY], cwd });
    await assertGoverns(gateway);
    assert.equal(await gateway.stop(), 0);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(cwd)), [], "it writes into its data folder only");
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("the binary starts again on its own data", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "intentgate_data_" });
  try {
    const first = await startGateway({ command: [BINARY], dataDir });
    const { token } = await first.mint({ tenant: "default", agent: "again", ttl_seconds: 300 });
    await first.stop();
    await using second = await startGateway({ command: [BINARY], dataDir });
    const answer = await callTool(second, token, "list_vendors", {});
    assert.match(answer.result?.content[0]?.text ?? JSON.stringify(answer), /Nordwind Paper/);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("the binary answers --help with 0 and a wrong command with 2", async () => {
  const help = await runBinary("--help");
  assert.equal(help.code, 0, help.text);
  assert.match(help.text, /serve/);
  assert.equal((await runBinary("no-such-command")).code, 2);
});

/** Copies the binary and the shared libraries that `ldd` lists into an otherwise empty folder. */
async function makeBareRoot(): Promise<string> {
  const root = await Deno.makeTempDir({ prefix: "intentgate_root_" });
  const listed = await new Deno.Command("ldd", { args: [BINARY] }).output();
  const libraries = new TextDecoder().decode(listed.stdout).match(/\/\S+(?= \(0x)/g) ?? [];
  for (const path of [...libraries, BINARY]) {
    const target = path === BINARY ? `${root}/intentgate` : `${root}${path}`;
    await Deno.mkdir(target.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.copyFile(path, target);
  }
  await Deno.mkdir(`${root}/proc`);
  await Deno.mkdir(`${root}/data`);
  return root;
}

Deno.test("the binary governs calls in a root folder with only itself, its libraries and /proc", async () => {
  const root = await makeBareRoot();
  const namespaces = Deno.uid() === 0 ? ["--mount"] : ["--user", "--map-root-user", "--mount"];
  // A /proc of its own needs a process namespace that fits it; in one of a user, only a new one may be mounted.
  const enter = ["unshare", ...namespaces, "--pid", "--fork", "--kill-child", "sh", "-c"];
  const script = 'mount -t proc proc "$0/proc" && exec chroot "$0" /intentgate "$@"';
  try {
    const gateway = await startGateway({
      command: [...enter, script, root],
      dataDir: `${root}/data`,
      port: freePort(),
      // There are no certificates of a system in there; CI may ask for them on behalf of others.
      env: { INTENTGATE_DATA_DIR: "/data", HOME: "/", DENO_TLS_CA_STORE: "mozilla" },
    });
    try {
      await assertGoverns(gateway);
    } finally {
      await gateway.kill();
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
