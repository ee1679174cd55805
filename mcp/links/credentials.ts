/** Which credential goes with which request to an upstream: per upstream, per tool, per tenant. */
import type { CredentialOrder } from "./http_exchanges.ts";
import { OauthClient, type OauthClientSettings } from "./oauth_client.ts";

/** One credential. */
export interface Credential {
  readonly headers: Readonly<Record<string, string>>;
  /** Gives the `authorization` header; wins over one in `headers`. */
  readonly oauth?: OauthClientSettings;
}

/** A credential, and those of single tools. */
export interface CredentialScope {
  readonly own: Credential;
  readonly tools: ReadonlyMap<string, Credential>;
}

/** All credentials of one upstream. */
export interface UpstreamCredentials extends CredentialScope {
  readonly tenants: ReadonlyMap<string, CredentialScope>;
}

/** Gives credentials as request headers. */
export interface CredentialSource {
  /** The headers for a tenant's request, lower-case names; throws `OauthError`. */
  headers(tenant: string, order: CredentialOrder): Promise<Readonly<Record<string, string>>>;
  /** The upstream refused them. */
  refused(tenant: string, order: CredentialOrder): void;
}

/** Makes the source of one upstream; asks no authorization server before it must. */
export function createCredentialSource(
  credentials: UpstreamCredentials,
  steadyMs: () => number,
): CredentialSource {
  const clients = new Map<OauthClientSettings, OauthClient>();
  const clientOf = (settings: OauthClientSettings) => {
    const client = clients.get(settings) ?? new OauthClient(settings, steadyMs);
    clients.set(settings, client);
    return client;
  };
  return {
    async headers(tenant, order) {
      let headers: Record<string, string> = {};
      let oauth: OauthClientSettings | undefined;
      for (const credential of fromGeneralToParticular(credentials, tenant, order)) {
        const own = lowerCase(credential.headers);
        headers = { ...headers, ...own };
        // A particular header takes the place of a general token, and the other way round.
        if (own.authorization !== undefined) oauth = undefined;
        oauth = credential.oauth ?? oauth;
      }
      if (oauth === undefined) return headers;
      return { ...headers, authorization: `Bearer ${await clientOf(oauth).token()}` };
    },
    refused(tenant, order) {
      for (const { oauth } of fromGeneralToParticular(credentials, tenant, order)) {
        if (oauth !== undefined) clients.get(oauth)?.forget();
      }
    },
  };
}

function fromGeneralToParticular(
  credentials: UpstreamCredentials,
  tenant: string,
  { tool }: CredentialOrder,
): readonly Credential[] {
  const ofTenant = credentials.tenants.get(tenant);
  const ofTool = (scope: CredentialScope | undefined) =>
    tool === undefined ? undefined : scope?.tools.get(tool);
  return [credentials.own, ofTool(credentials), ofTenant?.own, ofTool(ofTenant)]
    .filter((credential) => credential !== undefined);
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
