/**
 * Session ids that need no store: a key id, and an AES-256-GCM blob of what a session is bound to. Any replica with the key
 * can open it; nobody without the key can make, change or read one.
 */
import type { Admission } from "./port.ts";

/** What a session id of ours says. */
export interface Session {
  readonly upstream: string;
  /** The upstream's own session id, absent for upstreams that issue none. */
  readonly upstreamSessionId?: string;
  readonly tenant: string;
  readonly agent: string;
  readonly rootBlockId: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
  readonly protocolVersion: string;
}

/** AES-GCM keys, 256 bits, by key id; every replica has the same. */
export interface SessionKeys {
  /** Key id under which new ids are sealed. */
  readonly active: string;
  readonly keys: ReadonlyMap<string, CryptoKey>;
}

export interface Sessions {
  /** Makes the session id for a client. */
  seal(session: Session): Promise<string>;
  /** Reads an id; `undefined` for one that is unreadable or expired. */
  open(id: string): Promise<Session | undefined>;
}

const PREFIX = "igs1.";
const IV_BYTES = 12;
const MAX_ID_LENGTH = 4096;
const MAX_OPENED = 10_000;
const CONTEXT = new TextEncoder().encode("intentgate-mcp-session-v1");

/** Seals session ids under the active key and opens them under any; keeps a bounded number of opened ones. */
export function createSessions({ active, keys }: SessionKeys, nowMs: () => number): Sessions {
  const sealing = keys.get(active);
  if (sealing === undefined) throw new RangeError(`Expected a session key "${active}"`);
  const opened = new Map<string, Session>();
  return {
    seal: async (session) => `${PREFIX}${active}.${await sealSession(sealing, session)}`,
    async open(id) {
      let session = opened.get(id);
      if (session === undefined) {
        session = await openSession(keys, id);
        if (session !== undefined) remember(opened, id, session);
      }
      return session !== undefined && session.expiresAt * 1000 > nowMs() ? session : undefined;
    },
  };
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

async function sealSession(key: CryptoKey, session: Session): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const plain = new TextEncoder().encode(JSON.stringify(session));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: CONTEXT }, key, plain);
  const blob = new Uint8Array(IV_BYTES + sealed.byteLength);
  blob.set(iv);
  blob.set(new Uint8Array(sealed), IV_BYTES);
  return blob.toBase64({ alphabet: "base64url", omitPadding: true });
}

async function openSession(keys: SessionKeys["keys"], id: string): Promise<Session | undefined> {
  if (id.length > MAX_ID_LENGTH || !id.startsWith(PREFIX)) return undefined;
  const [kid = "", sealed = ""] = id.slice(PREFIX.length).split(".", 2);
  const key = keys.get(kid);
  if (key === undefined || id.length !== PREFIX.length + kid.length + 1 + sealed.length) return undefined;
  try {
    const blob = Uint8Array.fromBase64(sealed, { alphabet: "base64url" });
    const algorithm = { name: "AES-GCM", iv: blob.subarray(0, IV_BYTES), additionalData: CONTEXT };
    const plain = await crypto.subtle.decrypt(algorithm, key, blob.subarray(IV_BYTES));
    // What the key has authenticated was written by `sealSession`.
    return Object.freeze(JSON.parse(new TextDecoder().decode(plain)) as Session);
  } catch {
    return undefined;
  }
}
