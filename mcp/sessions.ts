/**
 * Session ids that need no store: a key id, and an AES-256-GCM blob of what a session is bound to. Any replica with the key
 * can open it; nobody without the key can make, change or read one.
 */
import type { Admission } from "./port.ts";
import type { SealKeys } from "../core/sealing.ts";
import { createClientSeal } from "./sealing.ts";
import type { ResolvedUpstream } from "./upstream_connection.ts";

/** What a session id of ours says. */
export interface Session {
  readonly upstream: string;
  /** The upstream's own session id, absent for upstreams that issue none. */
  readonly upstreamSessionId?: string;
  /** True for a session with the upstream's links: an upstream over HTTP that does not speak the client's era. */
  readonly isBridged?: boolean;
  readonly tenant: string;
  readonly agent: string;
  readonly rootBlockId: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
  readonly protocolVersion: string;
}

/** A session as this request's principal uses it. */
export interface AcceptedSession extends Session {
  readonly blockIds: Admission["blockIds"];
}

/** The keys under which session ids and everything else that clients give back are sealed. */
export type SessionKeys = SealKeys;

export interface Sessions {
  /** Makes the session id for a client. */
  seal(session: Session): Promise<string>;
  /** Reads an id; `undefined` for one that is unreadable or expired. */
  open(id: string): Promise<Session | undefined>;
}

const MAX_ID_LENGTH = 4096;
const MAX_OPENED = 10_000;

/** Seals session ids under the active key and opens them under any; keeps a bounded number of opened ones. */
export function createSessions(keys: SessionKeys, nowMs: () => number): Sessions {
  const context = "intentgate-mcp-session-v1";
  const seal = createClientSeal({ keys, prefix: "igs1.", context, maxLength: MAX_ID_LENGTH });
  const opened = new Map<string, Session>();
  return {
    seal: (session) => seal.seal(session),
    async open(id) {
      let session = opened.get(id);
      if (session === undefined) {
        // What the key has authenticated was written by `seal`.
        session = Object.freeze(await seal.open(id)) as Session | undefined;
        if (session !== undefined) remember(opened, id, session);
      }
      return session !== undefined && session.expiresAt * 1000 > nowMs() ? session : undefined;
    },
  };
}

/** The upstream as the session reaches it. */
export function upstreamOf({ isBridged }: Session, upstream: ResolvedUpstream): ResolvedUpstream {
  return isBridged === true ? upstream.bridged ?? upstream : upstream;
}

/** Whether a session was made for this principal and this upstream. */
export function isOwnSession(session: Session, upstream: string, admission: Admission): boolean {
  return session.upstream === upstream && session.tenant === admission.tenant &&
    session.agent === admission.agent && session.rootBlockId === admission.rootBlockId;
}

function remember(opened: Map<string, Session>, id: string, session: Session): void {
  if (opened.size >= MAX_OPENED) {
    const oldest = opened.keys().next();
    if (!oldest.done) opened.delete(oldest.value);
  }
  opened.set(id, session);
}
