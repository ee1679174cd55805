/** Commands that ask a running gateway to mint or revoke a token. */
import { adminPost, CONNECTION_USAGE } from "./admin_client.ts";
import { type Command, parseOptions, UsageError } from "./command.ts";
import { parseDuration, RESTRICTION_OPTIONS, RESTRICTION_USAGE, restrictionsOf } from "./token_options.ts";

export const tokenMint: Command = {
  name: "token mint",
  summary: "Mint a capability token for an agent",
  usage: [
    "--agent NAME [options]",
    "",
    "  --agent NAME       the agent that the token is for",
    "  --tenant NAME      its tenant; default: default",
    "  --ttl DURATION     how long it lives, like 15m, 8h or 30d; default: 1h",
    RESTRICTION_USAGE,
    CONNECTION_USAGE,
  ].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, {
      ...RESTRICTION_OPTIONS,
      agent: { type: "string" },
      tenant: { type: "string", default: "default" },
      ttl: { type: "string", default: "1h" },
      url: { type: "string" },
      json: { type: "boolean", default: false },
    });
    if (values.agent === undefined) throw new UsageError("Expected --agent NAME");
    const answer = await adminPost(terminal, values.url, "/api/v1/tokens", {
      tenant: values.tenant,
      agent: values.agent,
      ttl_seconds: parseDuration("--ttl", values.ttl),
      ...restrictionsOf(values),
    });
    terminal.print(values.json ? JSON.stringify(answer) : String(answer.token));
    return 0;
  },
};

export const tokenRevoke: Command = {
  name: "token revoke",
  summary: "Revoke a token and everything attenuated from it",
  usage: [
    "(--jti ID | --block-id ID) --reason TEXT [options]",
    "",
    "  --jti ID           the token's jti, as minting answered it",
    "  --block-id ID      a block id, as token inspect shows it",
    "  --reason TEXT      why; stands in the audit chain",
    "  --tenant NAME      the token's tenant; default: default",
    CONNECTION_USAGE,
  ].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, {
      jti: { type: "string" },
      "block-id": { type: "string" },
      reason: { type: "string" },
      tenant: { type: "string", default: "default" },
      url: { type: "string" },
      json: { type: "boolean", default: false },
    });
    if ((values.jti === undefined) === (values["block-id"] === undefined)) {
      throw new UsageError("Expected either --jti ID or --block-id ID");
    }
    if (values.reason === undefined) throw new UsageError("Expected --reason TEXT");
    const answer = await adminPost(terminal, values.url, "/api/v1/revocations", {
      tenant: values.tenant,
      ...(values.jti === undefined ? { block_id: values["block-id"] } : { jti: values.jti }),
      reason: values.reason,
    });
    terminal.print(values.json ? JSON.stringify(answer) : `Revoked block ${answer.block_id}`);
    return 0;
  },
};
