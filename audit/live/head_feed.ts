/** Tells who waits that a chain has grown: one question for all of them, asked only while somebody waits. */

export interface HeadFeedOptions {
  /** Numbers of the last events of these chains; `store/audit_search.ts` fits. */
  readonly read: (chains: readonly string[]) => Promise<ReadonlyMap<string, number>>;
  readonly onError: (error: unknown) => void;
  readonly intervalMs?: number;
}

export interface HeadFeed {
  /**
   * Resolves with the number of the chain's last event when that is not `seq` any more, or with `undefined` after
   * `timeoutMs`, or when the signal is aborted. A smaller number says that the database was restored.
   */
  beyond(chain: string, seq: number, timeoutMs: number, signal: AbortSignal): Promise<number | undefined>;
}

interface Waiting {
  readonly chain: string;
  readonly seq: number;
  readonly tell: (headSeq: number | undefined) => void;
}

/** Announcing every append would cost each of them a lock that all commits of the database share. */
const INTERVAL_MS = 250;

export function createHeadFeed(options: HeadFeedOptions): HeadFeed {
  const { read, onError, intervalMs = INTERVAL_MS } = options;
  const waiting = new Set<Waiting>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isLooking = false;
  const look = async () => {
    [timer, isLooking] = [undefined, true];
    try {
      // Who comes while the answer is on its way may know more than it says.
      const asking = [...waiting];
      const heads = await read([...new Set(asking.map(({ chain }) => chain))]);
      for (const one of asking) {
        const headSeq = heads.get(one.chain) ?? 0;
        if (waiting.has(one) && headSeq !== one.seq) one.tell(headSeq);
      }
    } catch (error) {
      onError(error); // whoever waits goes on waiting
    }
    isLooking = false;
    lookLater();
  };
  const lookLater = () => {
    if (timer === undefined && !isLooking && waiting.size > 0) timer = setTimeout(look, intervalMs);
  };
  return {
    beyond: (chain, seq, timeoutMs, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve(undefined);
        const tell = (headSeq: number | undefined) => {
          waiting.delete(one);
          if (waiting.size === 0) {
            clearTimeout(timer);
            timer = undefined;
          }
          clearTimeout(overrun);
          signal.removeEventListener("abort", giveUp);
          resolve(headSeq);
        };
        const giveUp = () => tell(undefined);
        const one: Waiting = { chain, seq, tell };
        const overrun = setTimeout(giveUp, timeoutMs);
        signal.addEventListener("abort", giveUp);
        waiting.add(one);
        lookLater();
      }),
  };
}
