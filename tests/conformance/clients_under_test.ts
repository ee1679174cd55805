/** The clients that run through the gateway, and what each of their libraries can do. */
const FOLDER = new URL("./clients/", import.meta.url);

/** A client library and the program of `clients/` that uses it. */
export interface ClientUnderTest {
  readonly library: string;
  /** As it is pinned. */
  readonly version: string;
  readonly program: string;
  readonly mode?: string;
  /** Which era it speaks with the gateway, which speaks both whatever the upstream does. */
  readonly isModern: boolean;
  /**
   * Whether giving up a call sends `notifications/cancelled` in a session. A library that only closes the response cancels in
   * the modern era; in the legacy era a call that nobody waits for goes on until the gateway's time for it is over.
   */
  readonly cancelsInSession: boolean;
  /** What of a refusal that is a JSON-RPC error reaches the program. */
  readonly sees: "code and data" | "code" | "reason";
}

type Row = Omit<ClientUnderTest, "library" | "version">;

const JAVASCRIPT: readonly (readonly [string, Row])[] = [
  ["@modelcontextprotocol/sdk", {
    ...{ program: "sdk1.mjs", isModern: false, cancelsInSession: true, sees: "code and data" },
  }],
  ["@modelcontextprotocol/client", {
    ...{ program: "sdk2.mjs", mode: "legacy" },
    ...{ isModern: false, cancelsInSession: true, sees: "code and data" },
  }],
  ["@modelcontextprotocol/client", {
    ...{ program: "sdk2.mjs", mode: "auto" },
    ...{ isModern: true, cancelsInSession: true, sees: "code and data" },
  }],
  ["@langchain/mcp-adapters", {
    ...{ program: "langchain.mjs", isModern: false, cancelsInSession: true, sees: "code" },
  }],
  ["@openai/agents", {
    ...{ program: "openai_agents.mjs", isModern: true, cancelsInSession: true, sees: "code and data" },
  }],
  ["@ai-sdk/mcp", {
    ...{ program: "ai_sdk.mjs", mode: "legacy" },
    ...{ isModern: false, cancelsInSession: false, sees: "code and data" },
  }],
  ["@ai-sdk/mcp", {
    ...{
      program: "ai_sdk.mjs",
      mode: "auto",
      isModern: true,
      cancelsInSession: false,
      sees: "code and data",
    },
  }],
  ["@modelcontextprotocol/inspector", {
    ...{ program: "inspector.mjs", mode: "legacy" },
    ...{ isModern: false, cancelsInSession: false, sees: "reason" },
  }],
  ["@modelcontextprotocol/inspector", {
    ...{ program: "inspector.mjs", mode: "auto", isModern: true, cancelsInSession: false, sees: "reason" },
  }],
];

const PYTHON: readonly (readonly [string, Row])[] = [
  ["mcp", { program: "mcp_client.py", isModern: true, cancelsInSession: true, sees: "code and data" }],
  ["fastmcp", {
    ...{ program: "fastmcp_client.py", isModern: true, cancelsInSession: true, sees: "code and data" },
  }],
  ["openai-agents", {
    ...{ program: "openai_agents.py", isModern: true, cancelsInSession: true, sees: "code and data" },
  }],
  ["langchain-mcp-adapters", {
    ...{ program: "langchain_adapters.py", isModern: false, cancelsInSession: false, sees: "code and data" },
  }],
];

/** All of them, with the versions that are pinned. */
export async function clientsUnderTest(): Promise<readonly ClientUnderTest[]> {
  const { dependencies } = JSON.parse(await Deno.readTextFile(new URL("package.json", FOLDER)));
  const lists = await Promise.all(
    ["requirements.txt", "langchain/requirements.txt"].map((name) =>
      Deno.readTextFile(new URL(name, FOLDER))
    ),
  );
  // LangChain's own list last, so that a package of both has the version of the others.
  const pinned = new Map(
    lists.reverse().flatMap((text) => [...text.matchAll(/^([^=#\s]+)==(\S+)$/gm)])
      .map(([, name, version]) => [name ?? "", version ?? ""]),
  );
  return [
    ...JAVASCRIPT.map(([library, row]) => ({ library, version: String(dependencies[library]), ...row })),
    ...PYTHON.map(([library, row]) => ({ library, version: String(pinned.get(library)), ...row })),
  ];
}

/** Whether it needs Python. */
export function isPython({ program }: ClientUnderTest): boolean {
  return program.endsWith(".py");
}
