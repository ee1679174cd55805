// An authorization server that nobody of us wrote: npm oidc-provider. Port as the only argument; says "listening".
import { Provider } from "oidc-provider";

const port = Number(process.argv[2]);
const getResourceServerInfo = (_ctx, audience) => ({
  scope: "mcp:read mcp:write",
  audience,
  accessTokenFormat: "jwt",
  accessTokenTTL: 120,
  jwt: { sign: { alg: "RS256" } },
});
const client = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: ["basic", "post"].map((way) => ({
    ...client,
    client_id: `gate-${way}`,
    client_secret: "s3cr:t+% x",
    token_endpoint_auth_method: `client_secret_${way}`,
  })),
  features: {
    clientCredentials: { enabled: true },
    resourceIndicators: { enabled: true, getResourceServerInfo },
  },
});
provider.listen(port, "127.0.0.1", () => console.log("listening"));
