/** The secrets of upstreams besides their headers: OAuth clients, credentials of tools and tenants, environments. */
import type { Config } from "../core/config.ts";
import type { CredentialConfig, OauthClientConfig, SecretSource } from "../core/upstream_transport.ts";
import type { Credential, CredentialScope, UpstreamCredentials } from "../mcp/links/credentials.ts";
import type { OauthClientSettings } from "../mcp/links/oauth_client.ts";
import type { Surroundings } from "./configuration.ts";
import { resolveSource } from "./secrets.ts";

/** What one upstream is reached with, resolved. */
export interface UpstreamSecrets {
  readonly credentials: UpstreamCredentials;
  /** Environment of a stdio upstream's process. */
  readonly env: Readonly<Record<string, string>>;
  /** What tenants' processes have over that. */
  readonly tenantEnv: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** All values that came from secret sources: never to be logged. */
  readonly secretValues: readonly string[];
}

type Resolve = (source: SecretSource, what: string) => Promise<string>;

/** Reads every secret that the upstreams' configuration points at; throws `GatewayError` for one that is not there. */
export async function resolveUpstreamSecrets(
  config: Config,
  surroundings: Surroundings,
): Promise<ReadonlyMap<string, UpstreamSecrets>> {
  const resolved = new Map<string, UpstreamSecrets>();
  for (const [name, upstream] of Object.entries(config.upstreams ?? {})) {
    const secretValues: string[] = [];
    const resolve: Resolve = async (source, what) => {
      const value = await resolveSource(surroundings, source, `${what} of upstream "${name}"`);
      secretValues.push(value);
      return value;
    };
    const { oauth, tools, tenants } = upstream.credentials;
    const own = await scope({ headers: upstream.headers, oauth }, tools, resolve);
    const ofTenants = new Map<string, CredentialScope>();
    const tenantEnv = new Map<string, Readonly<Record<string, string>>>();
    for (const [tenant, entry] of Object.entries(tenants)) {
      ofTenants.set(tenant, await scope(entry, entry.tools, resolve));
      tenantEnv.set(tenant, await environment(entry.env, resolve));
    }
    const env = await environment(upstream.env, resolve);
    resolved.set(name, { credentials: { ...own, tenants: ofTenants }, env, tenantEnv, secretValues });
  }
  return resolved;
}

async function scope(
  own: CredentialConfig,
  tools: Readonly<Record<string, CredentialConfig>>,
  resolve: Resolve,
): Promise<CredentialScope> {
  const byTool = new Map<string, Credential>();
  for (const [tool, entry] of Object.entries(tools)) byTool.set(tool, await credential(entry, resolve));
  return { own: await credential(own, resolve), tools: byTool };
}

async function credential(config: CredentialConfig, resolve: Resolve): Promise<Credential> {
  const headers: Record<string, string> = {};
  for (const [name, source] of Object.entries(config.headers)) {
    headers[name] = await resolve(source, `header "${name}"`);
  }
  return {
    headers,
    ...(config.oauth === undefined ? {} : { oauth: await oauthClient(config.oauth, resolve) }),
  };
}

async function oauthClient(config: OauthClientConfig, resolve: Resolve): Promise<OauthClientSettings> {
  return {
    tokenUrl: config.token_url,
    clientId: config.client_id,
    clientSecret: await resolve(config.client_secret, "the client secret"),
    clientAuth: config.client_auth,
    ...(config.scope === undefined ? {} : { scope: config.scope }),
    ...(config.resource === undefined ? {} : { resource: config.resource }),
  };
}

async function environment(
  variables: Readonly<Record<string, string | SecretSource>>,
  resolve: Resolve,
): Promise<Readonly<Record<string, string>>> {
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    values[name] = typeof value === "string" ? value : await resolve(value, `variable "${name}"`);
  }
  return values;
}
