import assert from "node:assert/strict";
import { configSchema } from "./config.ts";
import { transportOf } from "./upstream_transport.ts";

const parse = (upstream: unknown) => configSchema.safeParse({ upstreams: { erp: upstream } });

/** `member: message` of every problem. */
function problems(upstream: unknown): string[] {
  const parsed = parse(upstream);
  return parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => `${path.slice(2).join(".")}: ${message}`);
}

const secret = { env: "SECRET" };
const oauth = { token_url: "https://as.example/token", client_id: "gate", client_secret: secret };

Deno.test("an upstream is a URL or a program, with what belongs to it", () => {
  for (
    const upstream of [
      { url: "https://erp.example/mcp" },
      { url: "https://erp.example/mcp", headers: { authorization: secret }, era: "modern" },
      { transport: "sse", url: "https://erp.example/sse", credentials: { oauth } },
      { command: "uvx", args: ["mcp-server-time"], env: { TZ: "UTC", KEY: secret }, cwd: "/srv" },
      { transport: "stdio", command: "/opt/my tools/server" },
      {
        url: "https://erp.example/mcp",
        credentials: {
          oauth: { ...oauth, scope: "a b", resource: "https://erp.example/mcp", client_auth: "post" },
          tools: { pay: { headers: { authorization: secret } } },
          tenants: { acme: { oauth, tools: { pay: { oauth } } } },
        },
      },
      { command: "node", credentials: { tenants: { acme: { env: { KEY: secret } } } } },
    ]
  ) {
    assert.deepEqual(problems(upstream), [], JSON.stringify(upstream));
  }
  assert.equal(transportOf({ command: "node" }), "stdio");
  assert.equal(transportOf({}), "http");
});

Deno.test("what does not fit together is said with what to do", () => {
  const url = "https://erp.example/mcp";
  const either = 'give either "url" for an HTTP server or "command" for a program';
  const expected: readonly (readonly [unknown, string])[] = [
    [{}, 'url: give "url" for an HTTP server or "command" for a program'],
    [{ url, command: "node" }, `url: ${either}`],
    [{ url, transport: "http", command: "node" }, `command: ${either}`],
    [{ transport: "stdio" }, 'command: transport stdio needs "command", the program to start'],
    [{ url, args: ["x"] }, 'args: "args" belongs to a program: give "command"'],
    [{ url, env: { A: "b" } }, 'env: "env" belongs to a program: give "command"'],
    [{ url, cwd: "/srv" }, 'cwd: "cwd" belongs to a program: give "command"'],
    [
      { command: "node", headers: { a: secret } },
      'headers: a program has no request headers: give it its secrets by "env"',
    ],
    [
      { command: "node", credentials: { oauth } },
      'headers: a program has no request headers: give it its secrets by "env"',
    ],
    [{ command: "npx -y server" }, 'command: one program without arguments: those stand in "args"'],
    [{ url, transport: "sse", era: "modern" }, "era: transport sse exists in the legacy era only"],
    [{ url: "https://user:pw@erp.example/" }, 'url: put credentials into "headers", not into the URL'],
  ];
  for (const [upstream, problem] of expected) assert.deepEqual(problems(upstream), [problem]);
});

Deno.test("a token URL is https, or on this machine", () => {
  const url = "https://erp.example/mcp";
  const at = (token_url: string) => problems({ url, credentials: { oauth: { ...oauth, token_url } } });
  assert.deepEqual(at("http://127.0.0.1:9000/token"), []);
  assert.deepEqual(at("http://as.example/token"), [
    "credentials.oauth.token_url: a token URL begins with https:// unless it is on this machine",
  ]);
});
