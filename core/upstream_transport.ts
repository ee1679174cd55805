/** The members of an upstream's configuration that say how it is reached and with which credentials. */
import * as z from "zod";

const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "an HTTP header name");
const variableName = z.string().regex(
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  "a variable name matches [A-Za-z_][A-Za-z0-9_]*",
);

/** Where a secret comes from: an environment variable or a file. Never the configuration file itself. */
export const secretSource = z.strictObject({
  env: z.string().min(1).optional().describe("Name of the environment variable that holds the value."),
  file: z.string().min(1).optional().describe(
    "Path of a file whose content, without a final line break, is the value.",
  ),
}).refine(
  (source) => (source.env === undefined) !== (source.file === undefined),
  'give either "env" or "file"',
);
export type SecretSource = z.infer<typeof secretSource>;

/** Request headers whose values are secrets. */
export const secretHeaders = z.record(headerName, secretSource);

const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** Whether a URL is one of this machine. */
export function isLoopback(url: string): boolean {
  return URL.canParse(url) && LOOPBACK.includes(new URL(url).hostname);
}

/** A client of an authorization server: RFC 6749, section 4.4. */
const oauthClient = z.strictObject({
  token_url: z.url({ protocol: /^https?$/ })
    .refine(
      (url) => !URL.canParse(url) || new URL(url).protocol === "https:" || isLoopback(url),
      "a token URL begins with https:// unless it is on this machine",
    )
    .describe("Token endpoint of the authorization server."),
  client_id: z.string().min(1).max(1_000).describe("The gateway's name there."),
  client_secret: secretSource.describe("The gateway's secret there."),
  scope: z.string().min(1).max(1_000).optional().describe("Scopes that are asked for, separated by blanks."),
  resource: z.url().optional()
    .describe("Resource indicator (RFC 8707): the upstream that the token is for."),
  client_auth: z.enum(["basic", "post"]).default("basic")
    .describe("How id and secret are sent: in the Authorization header, or in the form."),
});
export type OauthClientConfig = z.infer<typeof oauthClient>;

const credential = {
  headers: secretHeaders.default({}).describe("Request headers whose values are secrets."),
  oauth: oauthClient.optional()
    .describe("A token by the OAuth client credentials grant; it becomes the Authorization header."),
};
const toolCredentials = z.record(z.string().min(1).max(256), z.strictObject(credential)).default({})
  .describe("Other credentials for calls of single tools, by the tool's exact name.");

/** What one credential of an upstream may be. */
export type CredentialConfig = z.infer<z.ZodObject<typeof credential>>;

const environment = z.record(variableName, z.union([z.string().max(32_768), secretSource]));

const credentials = z.strictObject({
  oauth: credential.oauth,
  tools: toolCredentials,
  tenants: z.record(
    z.string().min(1),
    z.strictObject({
      ...credential,
      tools: toolCredentials,
      env: environment.default({}).describe("Variables of the tenant's process, over those of the upstream."),
    }),
  ).default({}).describe(
    "What a tenant has of its own. The most particular wins, header by header: tenant and tool, tenant, tool, upstream.",
  ),
});

/** How an upstream is reached. */
export const TRANSPORTS = ["http", "sse", "stdio"] as const;
export type Transport = typeof TRANSPORTS[number];

/** Members of an upstream that this module explains. */
export const transportMembers = {
  transport: z.enum(TRANSPORTS).optional().describe(
    'http is Streamable HTTP, sse the transport of 2024-11-05 alone, stdio a program; default: stdio with "command", else http.',
  ),
  url: z.url({ protocol: /^https?$/ })
    .refine((url) => !/^[a-z]+:\/\/[^/?#]*@/i.test(url), 'put credentials into "headers", not into the URL')
    .optional()
    .describe("MCP endpoint of the tool server, for http and sse."),
  command: z.string().min(1).max(4_096)
    .refine(
      (command) => command.startsWith("/") || !/\s/.test(command),
      'one program without arguments: those stand in "args"',
    )
    .optional()
    .describe("Program that is the tool server, for stdio: one process per tenant, never through a shell."),
  args: z.array(z.string().max(32_768)).max(256).default([]).describe("Arguments of the program."),
  env: environment.default({}).describe(
    "The program's environment: texts, or secrets by variable or file. It gets nothing else but PATH.",
  ),
  cwd: z.string().min(1).optional().describe("Folder in which the program runs; default: the gateway's."),
  era: z.enum(["auto", "legacy", "modern"]).default("auto").describe(
    "Protocol era: legacy has a handshake (2025-11-25 and older), modern has none (2026-07-28); auto asks the server.",
  ),
  credentials: credentials.default({ tools: {}, tenants: {} })
    .describe("Credentials besides headers: OAuth, and what single tools and tenants have of their own."),
};

interface TransportChoice {
  readonly transport?: Transport | undefined;
  readonly url?: string | undefined;
  readonly command?: string | undefined;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, unknown>>;
  readonly cwd?: string | undefined;
  readonly era: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly credentials: z.infer<typeof credentials>;
}

/** How an upstream is reached, the default included. */
export function transportOf(upstream: Pick<TransportChoice, "transport" | "command">): Transport {
  return upstream.transport ?? (upstream.command === undefined ? "http" : "stdio");
}

/** What does not fit together: the member concerned, and what to do. */
export function transportProblems(upstream: TransportChoice): readonly (readonly [string, string])[] {
  const { url, command, credentials: own } = upstream;
  const transport = transportOf(upstream);
  const problems: [string, string][] = [];
  const hasOauth = own.oauth !== undefined ||
    Object.values(own.tenants).some((tenant) => tenant.oauth !== undefined);
  const refuse = (member: string, when: boolean, message: string) => {
    if (when) problems.push([member, message]);
  };
  if (transport === "stdio") {
    refuse("command", command === undefined, 'transport stdio needs "command", the program to start');
    refuse("url", url !== undefined, 'give either "url" for an HTTP server or "command" for a program');
    const hasHeaders = Object.keys(upstream.headers).length > 0 || hasOauth ||
      Object.keys(own.tools).length > 0;
    refuse("headers", hasHeaders, 'a program has no request headers: give it its secrets by "env"');
    return problems;
  }
  refuse("url", url === undefined, `give "url" for an HTTP server or "command" for a program`);
  refuse("command", command !== undefined, 'give either "url" for an HTTP server or "command" for a program');
  for (const member of ["args", "env"] as const) {
    refuse(
      member,
      Object.keys(upstream[member]).length > 0,
      `"${member}" belongs to a program: give "command"`,
    );
  }
  refuse("cwd", upstream.cwd !== undefined, '"cwd" belongs to a program: give "command"');
  refuse(
    "era",
    transport === "sse" && upstream.era === "modern",
    "transport sse exists in the legacy era only",
  );
  return problems;
}
