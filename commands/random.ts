import { Buffer } from "node:buffer";
import { uuidv7 } from "../core/uuid.ts";

/** Random bytes from the operating system. */
export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** A fresh UUIDv7 of now. */
export function newId(): string {
  return uuidv7(Date.now(), crypto.randomUUID());
}

/** Hex of 16 random bytes: the name of this process among the replicas. */
export function newReplicaId(): string {
  return Buffer.from(randomBytes(16)).toString("hex");
}
