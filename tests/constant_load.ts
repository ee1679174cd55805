/** Calls at a constant rate, whatever becomes of them: load does not wait for a gateway that is slow or dead. */
import { type Agent, type Answer, resultOf } from "./agent.ts";

/** One answered call: what the agent was told, and the decision id that came with it. */
export interface AnsweredCall {
  readonly n: number;
  readonly result: string;
  readonly decisionId: string | undefined;
}

/** What became of all calls. */
export interface LoadReport {
  readonly answered: readonly AnsweredCall[];
  /** Calls whose connection failed or timed out: the agent does not know what became of them. */
  readonly unanswered: readonly number[];
  /** Calls not sent because too many were under way. */
  readonly skipped: number;
  readonly seconds: number;
}

export interface ConstantLoad {
  /** Answers so far. */
  readonly answered: readonly AnsweredCall[];
  /** Sends nothing more, and resolves when every call has ended. */
  stop(): Promise<LoadReport>;
}

const TICK_MS = 20;
const MAX_UNDER_WAY = 400;
const CALL_TIMEOUT_MS = 15_000;

/** Calls `count` with `{n}`, a new `n` every time, `ratePerSecond` times a second. */
export function startLoad(agent: Agent, ratePerSecond: number): ConstantLoad {
  const answered: AnsweredCall[] = [];
  const unanswered: number[] = [];
  const underWay = new Set<Promise<void>>();
  const startedMs = performance.now();
  let [next, offered, skipped] = [1, 0, 0];
  const call = async (n: number): Promise<void> => {
    try {
      answered.push(await callOnce(agent, n));
    } catch {
      unanswered.push(n);
    }
  };
  const timer = setInterval(() => {
    const due = Math.floor((performance.now() - startedMs) / 1000 * ratePerSecond);
    for (; offered < due; offered++) {
      if (underWay.size >= MAX_UNDER_WAY) {
        skipped++;
        continue;
      }
      const done = call(next++).finally(() => underWay.delete(done));
      underWay.add(done);
    }
  }, TICK_MS);
  return {
    answered,
    stop: async () => {
      clearInterval(timer);
      const seconds = (performance.now() - startedMs) / 1000;
      await Promise.all(underWay);
      return { answered, unanswered, skipped, seconds };
    },
  };
}

/** One call of `count`; rejects when no answer comes. */
export async function callOnce(agent: Agent, n: number): Promise<AnsweredCall> {
  const params = { name: "count", arguments: { n } };
  const body = { jsonrpc: "2.0", id: n, method: "tools/call", params };
  const answer = await agent.send(body, {}, AbortSignal.timeout(CALL_TIMEOUT_MS));
  return { n, result: resultOf(answer), decisionId: decisionIdOf(answer) };
}

function decisionIdOf({ message }: Answer): string | undefined {
  return message?.error?.data?.decision_id ??
    message?.result?._meta?.["intentgate/decision"]?.decision_id;
}
