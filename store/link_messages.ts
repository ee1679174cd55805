import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";

/** Channel on which the receiver of a new message is announced; the function `link_send` names it too. */
export const LINKS_CHANNEL = "intentgate_links";

/** A message as it stands in the table. */
export interface TakenMessage {
  readonly exchange: string;
  readonly sealed: string;
}

/** The table `link_messages`, through which replicas talk to each other. */
export interface LinkMessagesTable {
  /** Adds a message; gives its number. */
  send(tenant: string, receiver: string, exchange: string, sealed: string): Promise<number>;
  /** The oldest messages for a replica, in order; they are gone afterwards. */
  take(receiver: string, most: number): Promise<readonly TakenMessage[]>;
  /** True when nobody has read the message and nobody will. */
  withdraw(message: number): Promise<boolean>;
  /** Removes messages that nobody will read any more, at most `most`. */
  prune(most: number): Promise<number>;
  /** Whether a replica's lease has not run out. */
  isAlive(replicaId: string): Promise<boolean>;
}

export function createLinkMessages({ sql }: Database): LinkMessagesTable {
  return {
    send: async (tenant, receiver, exchange, sealed) => {
      const [row] = await sql<{ id: string }[]>`
        SELECT link_send(${tenant}, ${receiver}, ${exchange}, ${sealed}) AS id`;
      return safeInteger(row?.id);
    },
    take: async (receiver, most) =>
      await sql<TakenMessage[]>`SELECT exchange, sealed FROM link_take(${receiver}, ${most})`,
    withdraw: async (message) => {
      const [row] = await sql<{ withdrawn: boolean }[]>`SELECT link_withdraw(${message}) AS withdrawn`;
      return row?.withdrawn === true;
    },
    prune: async (most) => {
      const [row] = await sql<{ removed: string }[]>`SELECT link_prune(${most}) AS removed`;
      return safeInteger(row?.removed);
    },
    isAlive: async (replicaId) => {
      const [row] = await sql<{ alive: boolean }[]>`SELECT replica_is_alive(${replicaId}) AS alive`;
      return row?.alive === true;
    },
  };
}
