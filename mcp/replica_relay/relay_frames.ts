/** What replicas say to each other about one request: the frames of an exchange, and how they are sealed. */
import { Buffer } from "node:buffer";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { SealKeys } from "../../core/sealing.ts";
import { createClientSeal } from "../sealing.ts";
import type { RpcError } from "../upstream_link.ts";

/** One frame. The first of an exchange is its request, and comes from the replica that has the client. */
export type Frame =
  | RequestFrame
  | { readonly kind: "cancel" }
  /** The decision on the next round of the call; without an error it may go on. */
  | { readonly kind: "decided"; readonly error?: RpcError }
  | { readonly kind: "accepted" }
  | { readonly kind: "head"; readonly status: number; readonly headers: readonly HeaderPair[] }
  /** Bytes of the answer's body, base64. */
  | { readonly kind: "data"; readonly bytes: string }
  | { readonly kind: "end" }
  | { readonly kind: "failed"; readonly failure: "upstream_failed" | "unknown"; readonly code: string }
  | { readonly kind: "decide"; readonly inputResponses: JsonObject };

/**
 * A frame with its place among those of its sender in the exchange, from 0: one that is missing, comes twice or comes from
 * another place ends the exchange.
 */
export type NumberedFrame = Frame & { readonly number: number };

/** A frame with who has sent it, and in which tenant's name: who does not know its exchange can say so. */
export type SentFrame = NumberedFrame & { readonly sender?: FrameSender };

/** Absent in frames of replicas of an older version. */
export interface FrameSender {
  readonly replica: string;
  readonly tenant: string;
}

type HeaderPair = readonly [name: string, value: string];

export interface RequestFrame {
  readonly kind: "request";
  /** The replica that asks. */
  readonly from: string;
  readonly upstream: string;
  readonly method: "POST" | "GET" | "DELETE";
  readonly headers: readonly HeaderPair[];
  /** Base64. */
  readonly body?: string;
  readonly tenant: string;
  readonly blockIds: readonly string[];
  /** Epoch milliseconds: an old request is not served, so that none can be served twice. */
  readonly sentAtMs: number;
}

const MAX_SEALED_LENGTH = 64 * 1024 * 1024;
const KINDS: readonly string[] = [
  ...["request", "cancel", "decided", "accepted", "head", "data", "end", "failed", "decide"],
];

/** Seals and opens frames; a frame is bound to its exchange and to the replica that it is for. */
export interface FrameSeal {
  seal(frame: SentFrame, receiver: string, exchange: string): Promise<string>;
  /** `undefined` for what no replica of this installation has sealed for this receiver and exchange. */
  open(sealed: string, receiver: string, exchange: string): Promise<SentFrame | undefined>;
}

/** Makes the seal of frames under the keys of sessions. */
export function createFrameSeal(keys: SealKeys): FrameSeal {
  const context = "intentgate-link-frame-v1";
  const seal = createClientSeal({ keys, prefix: "igf1.", context, maxLength: MAX_SEALED_LENGTH });
  const boundTo = (receiver: string, exchange: string) => JSON.stringify([receiver, exchange]);
  return {
    seal: (frame, receiver, exchange) => seal.seal(frame, boundTo(receiver, exchange)),
    async open(sealed, receiver, exchange) {
      const value = await seal.open(sealed, boundTo(receiver, exchange));
      // What the key has authenticated was written by `seal`; a newer version may know more kinds.
      const isKnown = isJsonObject(value) && KINDS.includes(String(value.kind));
      return isKnown ? value as unknown as SentFrame : undefined;
    },
  };
}

/** Bytes as base64, and back. */
export function bytesText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

export function textBytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "base64"));
}
