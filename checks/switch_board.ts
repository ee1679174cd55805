/** Which kill switches are engaged, and whether one of them stops a call. */

/** An operator's order to stop calls: everything, a tenant, an upstream, or an agent of a tenant. */
export interface KillSwitch {
  readonly number: number;
  readonly effect: "engage";
  readonly scope: "all" | "tenant" | "upstream" | "agent";
  /** Absent for scope `all`, and for an upstream that is stopped for every tenant. */
  readonly tenant?: string | undefined;
  /** The upstream or the agent. */
  readonly value?: string | undefined;
  /** Epoch seconds. */
  readonly createdAt: number;
}

/** What everybody may know of an engaged switch: neither whom it stops nor why. */
export interface EngagedSwitch {
  readonly number: number;
  readonly scope: KillSwitch["scope"];
  /** Epoch seconds. */
  readonly since: number;
}

/** What a call is, as far as kill switches can name it. */
export interface SwitchSubject {
  readonly tenant: string;
  readonly agent: string;
  readonly upstream: string;
}

/** The engaged switches of one replica. Switches add up: each is released by its own number. */
export interface SwitchBoard {
  engage(killSwitch: KillSwitch): void;
  /** Does nothing for a number that is not engaged. */
  release(number: number): void;
  /** The scope of a switch that stops the subject, the widest first. */
  stoppedBy(subject: SwitchSubject): KillSwitch["scope"] | undefined;
  engaged(): readonly EngagedSwitch[];
}

export function createSwitchBoard(): SwitchBoard {
  const engaged = new Map<number, KillSwitch>();
  /** How many engaged switches stop a key. */
  const counts = new Map<string, number>();
  const count = ({ scope, tenant, value }: KillSwitch, change: 1 | -1) => {
    const key = keyOf(scope, tenant, value);
    const left = (counts.get(key) ?? 0) + change;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
  };
  const stops = (scope: KillSwitch["scope"], tenant?: string, value?: string) =>
    counts.has(keyOf(scope, tenant, value));
  return {
    engage: (killSwitch) => {
      if (engaged.has(killSwitch.number)) return;
      engaged.set(killSwitch.number, killSwitch);
      count(killSwitch, 1);
    },
    release: (number) => {
      const released = engaged.get(number);
      if (released === undefined) return;
      engaged.delete(number);
      count(released, -1);
    },
    stoppedBy: ({ tenant, agent, upstream }) => {
      if (counts.size === 0) return undefined;
      if (stops("all")) return "all";
      if (stops("tenant", tenant)) return "tenant";
      if (stops("upstream", undefined, upstream) || stops("upstream", tenant, upstream)) return "upstream";
      return stops("agent", tenant, agent) ? "agent" : undefined;
    },
    engaged: () =>
      [...engaged.values()].map(({ number, scope, createdAt: since }) => ({ number, scope, since })),
  };
}

function keyOf(scope: string, tenant: string | undefined, value: string | undefined): string {
  return JSON.stringify([scope, tenant ?? null, value ?? null]);
}
