/** Commands that ask a running gateway about tokens: to mint one, to list what was minted, to revoke. */
import type { JsonObject } from "../core/json.ts";
import { AdminClient, CONNECTION_OPTIONS, LIMIT_OPTION, sayMore } from "./admin_client.ts";
import { command } from "./command.ts";
import { dateText, printRows } from "./rows.ts";
import { RESTRICTION_OPTIONS, restrictionsOf } from "./token_options.ts";

const TENANT = {
  kind: "text",
  value: "NAME",
  help: "The tenant of the token.",
  default: "default",
  suggests: "tenant",
} as const;

export const tokenMint = command({
  name: "token mint",
  summary: "Mint a capability token for an agent",
  details: [
    "An agent presents its capability token with every call: the token says which tools it may use, and until when. It " +
    "is printed once and not kept. Without --upstream and --tool it covers every tool; what the policy says holds beside.",
  ],
  options: {
    agent: { kind: "text", value: "NAME", help: "The agent that the token is for.", required: true },
    tenant: TENANT,
    ttl: {
      ...{ kind: "duration", value: "DURATION", default: "1h" },
      help: "How long the token is valid, like 15m, 8h or 30d.",
    },
    ...RESTRICTION_OPTIONS,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    {
      does: "an agent that may read, for a working day",
      line: "intentgate token mint --tenant acme --agent billing --ttl 8h --tool 'read_*' --tool 'list_*'",
    },
    {
      does: "keep the token for a script, readable by its owner only",
      line: "(umask 077; intentgate token mint --agent nightly --ttl 30d --max-calls 1000 > nightly.token)",
    },
  ],
  routes: ["POST /tokens"],
  run: async ({ options }, terminal) => {
    const restrictions = await restrictionsOf(options, terminal);
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("POST", "/tokens", {
      ...{ tenant: options.tenant, agent: options.agent, ttl_seconds: options.ttl },
      ...restrictions,
    });
    terminal.print(options.json ? JSON.stringify(answer) : String(answer.token));
    return 0;
  },
});

export const tokenList = command({
  name: "token list",
  summary: "List the tokens that were minted for a tenant",
  details: ["Oldest first. The tokens themselves are not kept and cannot be shown."],
  options: {
    tenant: TENANT,
    agent: { kind: "text", value: "NAME", help: "Only tokens of this agent." },
    after: { kind: "text", value: "CURSOR", help: "Go on after an earlier list, where it said so." },
    ...LIMIT_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [{
    does: "what was given to one agent?",
    line: "intentgate token list --tenant acme --agent billing",
  }],
  routes: ["GET /tokens"],
  run: async ({ options }, terminal) => {
    const { tenant, agent, after } = options;
    const client = await AdminClient.open(terminal, options.url);
    const listed = await client.list("/tokens", "tokens", { tenant, agent, after }, options.limit);
    if (options.json) {
      terminal.print(JSON.stringify({ tokens: listed.rows, next_after: listed.next_after }));
    } else if (listed.rows.length === 0) terminal.print(`Tenant "${tenant}" has no such tokens`);
    else printRows(terminal, ["JTI", "AGENT", "ISSUED", "STATE", "BY"], listed.rows.map(tokenRow));
    sayMore(terminal, listed);
    return 0;
  },
});

export const tokenRevoke = command({
  name: "token revoke",
  summary: "Revoke a token and everything attenuated from it, everywhere within a second",
  details: ["A revocation cannot be taken back: mint a new token instead."],
  options: {
    jti: { kind: "text", value: "ID", help: "The token's jti, as token mint --json and token list show it." },
    "block-id": {
      ...{ kind: "text", value: "ID" },
      help: "A block of the token, as token inspect shows it: ends what was attenuated from there on.",
    },
    reason: { kind: "text", value: "TEXT", required: true, help: "Why; it stands in the audit record." },
    tenant: TENANT,
    ...CONNECTION_OPTIONS,
  },
  groups: [{ rule: "exactly one", options: ["jti", "block-id"] }],
  examples: [{
    does: "a token has leaked",
    line: "intentgate token revoke --tenant acme --jti Wd3gPzPo1rHc0E9t8aXyVg --reason 'leaked in a log'",
  }],
  routes: ["POST /revocations"],
  run: async ({ options }, terminal) => {
    const { tenant, jti, reason } = options;
    const blockId = options["block-id"];
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("POST", "/revocations", {
      ...{ tenant, reason },
      ...(jti === undefined ? {} : { jti }),
      ...(blockId === undefined ? {} : { block_id: blockId }),
    });
    terminal.print(options.json ? JSON.stringify(answer) : `Revoked block ${answer.block_id}`);
    return 0;
  },
});

export const revocationList = command({
  name: "revocation list",
  summary: "List what was revoked for a tenant, when, by whom and why",
  options: {
    tenant: { ...TENANT, help: "The tenant." },
    after: { kind: "number", value: "NUMBER", help: "Go on after this revocation." },
    ...LIMIT_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [{ does: "everything revoked for acme", line: "intentgate revocation list --tenant acme" }],
  routes: ["GET /revocations"],
  run: async ({ options }, terminal) => {
    const { tenant, after } = options;
    const client = await AdminClient.open(terminal, options.url);
    const listed = await client.list("/revocations", "revocations", { tenant, after }, options.limit);
    if (options.json) {
      terminal.print(JSON.stringify({ revocations: listed.rows, next_after: listed.next_after }));
    } else if (listed.rows.length === 0) terminal.print(`Nothing was revoked for tenant "${tenant}"`);
    else printRows(terminal, ["NUMBER", "REVOKED", "BLOCK", "BY", "REASON"], listed.rows.map(revocationRow));
    sayMore(terminal, listed);
    return 0;
  },
});

function tokenRow(row: JsonObject): readonly string[] {
  const ended = Number(row.expires_at) * 1000 <= Date.now() ? "expired" : "until";
  const state = row.revoked === true ? "revoked" : `${ended} ${dateText(row.expires_at)}`;
  return [String(row.jti), String(row.agent), dateText(row.issued_at), state, String(row.operator)];
}

function revocationRow(row: JsonObject): readonly string[] {
  const { number, created_at: createdAt, block_id: blockId, operator, reason } = row;
  return [String(number), dateText(createdAt), String(blockId), String(operator), String(reason)];
}
