import * as z from "zod";
import type { CallAttachments } from "../core/attachments.ts";
import { GatewayError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { principalFacts } from "../core/principal.ts";
import type { CapabilityToken } from "../core/token/capability_token.ts";
import { HANDED_ON, RESTRICTIONS } from "../core/token/restrictions.ts";
import { findScopeRefusal, mayCallTool, mayUseName, namesToolExactly } from "../core/token/scope.ts";
import type {
  CheckDefinition,
  Facts,
  NamedItems,
  Principal,
  ToolCall,
  ToolDefinition,
  Verdict,
} from "../plugins/contract.ts";
import type { RevocationView } from "./revocation_feed.ts";
import { createTokenVerifier, type KeyFor, type TokenVerifier } from "./token_verifier.ts";

/** The name under which refusals and configuration know this check. */
export const CAPABILITY = "capability";

/** A clock of ours may run this far behind the one that minted. */
const MAX_CLOCK_LEAD_SECONDS = 30;

/** What the capability check is lent. */
export interface CapabilityPowers {
  readonly attachments: CallAttachments;
  readonly keyFor: KeyFor;
  /** The `aud` that tokens must carry: the log id of this gateway's database. */
  readonly audience: () => string;
  readonly maxLifetimeSeconds: number;
  readonly nowSeconds: () => number;
  readonly revocations: RevocationView;
  /** Restrictions that some other configured check enforces, for example `max_calls`. */
  readonly enforced: ReadonlySet<string>;
  /** Does the tenant exist? Without this power every well-formed tenant that the gateway signed for does. */
  readonly isTenant?: (tenant: string) => boolean | Promise<boolean>;
  /** Called once per revocation look-up. */
  readonly onLookup?: () => void;
}

/** The check, and what the gateway may ask about a call that it refused. */
export interface Capability {
  readonly definition: CheckDefinition<Record<string, never>>;
  /**
   * Whose token this call carried, once its tag, audience and tenant have verified: also when the call was then refused
   * as expired, revoked or out of scope. Proves who is to blame, not that anything is allowed.
   */
  principalOf(call: ToolCall): Principal | undefined;
  /** Whether block 0 of the caller's token names the tool itself; `undefined` for facts that are not this check's. */
  namesExactly(tool: ToolDefinition, facts: Facts): boolean | undefined;
}

/**
 * The capability check: it establishes the principal, and holds every call against every block of the token. What
 * can change from call to call (time, revocation, scope, arguments) is evaluated on every call; only MACs are cached.
 */
export function capability(powers: CapabilityPowers): Capability {
  const verifier = createTokenVerifier(powers.keyFor);
  const principals = new WeakMap<ToolCall, Principal>();
  const tokens = new WeakMap<JsonObject, CapabilityToken>();

  /** No promise on the way of a token that is in the cache: what is awaited costs a timer. */
  function run(call: ToolCall): Verdict | Promise<Verdict> {
    const authentic = authenticate(powers, verifier, call);
    return authentic instanceof Promise
      ? authentic.then((late) => judge(late, call))
      : judge(authentic, call);
  }

  function judge(authentic: CapabilityToken | Verdict, call: ToolCall): Verdict {
    if ("kind" in authentic) return authentic;
    principals.set(call, authentic.principal);
    const refusal = findRefusal(powers, authentic, call);
    if (refusal !== undefined) return refusal;
    const facts = factsOf(authentic, call);
    tokens.set(facts, authentic);
    return { kind: "pass", facts };
  }

  /** Facts are recognised by identity: a copy, or facts that another check wrote, list nothing. */
  function lists(tools: readonly ToolDefinition[], facts: Facts): readonly boolean[] {
    const token = tokenOf(facts.principal) ?? tokenOf(facts[CAPABILITY]);
    return tools.map((tool) => token !== undefined && mayCallTool(token, tool.upstream, tool.name));
  }

  function listsNames({ upstream, method, names }: NamedItems, facts: Facts): readonly boolean[] {
    const token = tokenOf(facts.principal) ?? tokenOf(facts[CAPABILITY]);
    return names.map((name) => token !== undefined && mayUseName(token, upstream, method, name));
  }

  function tokenOf(facts: JsonObject | undefined): CapabilityToken | undefined {
    return facts === undefined ? undefined : tokens.get(facts);
  }

  return {
    definition: {
      name: CAPABILITY,
      contract: 1,
      options: z.strictObject({}),
      establishes: "principal",
      setup: () => ({ run, lists, listsNames }),
    },
    principalOf: (call) => principals.get(call),
    namesExactly: ({ upstream, name }, facts) => {
      const token = tokenOf(facts[CAPABILITY]);
      return token && namesToolExactly(token, upstream, name);
    },
  };
}

/** The token, once everything that makes it ours has verified. Up to there every failure gives the same answer. */
function authenticate(
  powers: CapabilityPowers,
  verifier: TokenVerifier,
  call: ToolCall,
): CapabilityToken | Verdict | Promise<CapabilityToken | Verdict> {
  const credential = powers.attachments.credentialOf(call);
  if (credential === undefined || credential === "") {
    return block("missing_token", 'Expected "Authorization: Bearer" with a capability token, got none');
  }
  const token = verifier.verify(credential);
  return token instanceof Promise ? token.then((late) => ours(powers, late)) : ours(powers, token);
}

function ours(
  powers: CapabilityPowers,
  token: CapabilityToken | undefined,
): CapabilityToken | Verdict | Promise<CapabilityToken | Verdict> {
  if (token === undefined || token.root.aud !== powers.audience()) return invalidToken();
  const isTenant = powers.isTenant?.(token.root.tenant);
  if (isTenant instanceof Promise) return isTenant.then((isThere) => isThere ? token : invalidToken());
  return isTenant === false ? invalidToken() : token;
}

function findRefusal(powers: CapabilityPowers, token: CapabilityToken, call: ToolCall): Verdict | undefined {
  return unusable(powers, token) ?? outOfTime(powers, token) ?? revokedOrStopped(powers, token, call) ??
    outOfScope(token, call);
}

function unusable({ enforced }: CapabilityPowers, token: CapabilityToken): Verdict | undefined {
  if (token.flaw !== undefined) return block("invalid_token", token.flaw);
  const unkept = token.restrictionNames.find((name) =>
    RESTRICTIONS[name] !== CAPABILITY && !enforced.has(name)
  );
  return unkept &&
    block("invalid_token", `The token has the restriction "${unkept}", which no configured check enforces`);
}

function outOfTime(powers: CapabilityPowers, token: CapabilityToken): Verdict | undefined {
  const now = powers.nowSeconds();
  const { issuedAt, expiresAt } = token.principal;
  if (now >= expiresAt) return block("expired_token", "The token has expired");
  if (now < token.notBefore) return block("not_yet_valid", "The token is not valid yet");
  if (issuedAt > now + MAX_CLOCK_LEAD_SECONDS) {
    return block("not_yet_valid", `The token was issued more than ${MAX_CLOCK_LEAD_SECONDS} s in the future`);
  }
  // Block 0's own lifetime counts: a shorter `exp` in a later block must not make a refused token acceptable.
  if (token.root.exp - token.root.iat > powers.maxLifetimeSeconds) {
    return block(
      "invalid_token",
      `The token lives longer than the allowed ${powers.maxLifetimeSeconds} seconds`,
    );
  }
  return undefined;
}

/** A revoked token is to blame itself; a kill switch stops good tokens too. */
function revokedOrStopped(
  { revocations, onLookup }: CapabilityPowers,
  token: CapabilityToken,
  call: ToolCall,
): Verdict | undefined {
  if (!revocations.isFresh()) {
    throw new GatewayError("revocations_stale", "The revocation feed has not been read recently enough");
  }
  onLookup?.();
  const { tenant, agent, blockIds, issuedAt } = token.principal;
  const subject = { tenant, agent, upstream: call.upstream, blockIds, issuedAt };
  const why = revocations.isRevoked(subject);
  if (why !== undefined) return block("revoked_token", `The token is revoked (${why})`);
  const scope = revocations.stoppedBy(subject);
  return scope && block("kill_switch_engaged", `An operator has stopped these calls (scope "${scope}")`);
}

function outOfScope(token: CapabilityToken, call: ToolCall): Verdict | undefined {
  const refusal = findScopeRefusal(token, call);
  return refusal && block(refusal.code, refusal.reason);
}

/** Facts that later checks read as `principal`; wire names, described in `docs/reference/token.md`. */
function factsOf(token: CapabilityToken, call: ToolCall): JsonObject {
  const { blockIds } = token.principal;
  const handedOn = HANDED_ON.flatMap((name) => {
    const limits = token.blocks.flatMap((block, index) => {
      const limit = block.handedOn.get(name);
      return limit === undefined ? [] : [{ block_id: blockIds[index], ...limit }];
    });
    return limits.length === 0 ? [] : [[name, limits] as const];
  });
  return {
    ...principalFacts(token.principal),
    root_expires_at: token.root.exp,
    restrictions: token.restrictionNames,
    ...(call.method === "tools/call"
      ? { named_exactly: namesToolExactly(token, call.upstream, call.name) }
      : {}),
    ...Object.fromEntries(handedOn),
  };
}

function invalidToken(): Verdict {
  return block("invalid_token", "The token is not valid here");
}

function block(code: string, reason: string): Verdict {
  return { kind: "block", code, reason };
}
