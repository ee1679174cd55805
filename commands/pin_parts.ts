/** Joins the pins of tools with the database and the audit chain of the installation. */
import { pinEvent } from "../audit/pin_event.ts";
import type { EventSource } from "../audit/event.ts";
import { canonicalEvent } from "../audit/shorten.ts";
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import type { UpstreamConfig } from "../core/config.ts";
import type { PinModes, PinPlan } from "../core/tool_pin.ts";
import { createToolPins, type PinStore, type ToolPins } from "../mcp/tool_pins.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { followSettings } from "./follow_settings.ts";
import { newId } from "./random.ts";
import type { StoreParts } from "./store_parts.ts";

export interface PinPartsOptions {
  readonly store: StoreParts;
  readonly source: EventSource;
  readonly upstreams: ReadonlyMap<string, UpstreamConfig>;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** The pins of this replica; they follow the settings feed. */
export function buildToolPins(options: PinPartsOptions): ToolPins {
  const { store, upstreams, log } = options;
  const pins = createToolPins({
    store: pinStore(options),
    steadyMs: () => performance.now(),
    modesOf: (upstream) => modesOf(upstreams.get(upstream)),
    onError: (upstream, error) =>
      log("error", "Cannot record what an upstream's tools have become", {
        upstream,
        error: errorText(error),
      }),
  });
  followSettings(store.settings, {
    read: () => pins.refresh(),
    onError: (error) => log("error", "Cannot read the pins of tools", { error: errorText(error) }),
  });
  return pins;
}

function modesOf(upstream: UpstreamConfig | undefined): PinModes {
  const { tool_changes: toolChanges = "quarantine", new_tools: newTools = "quarantine" } = upstream ?? {};
  return { toolChanges, newTools };
}

function pinStore(options: PinPartsOptions): PinStore {
  const { store, source, metrics, log } = options;
  return {
    read: (upstream) => store.db.deadline(store.toolPins.read(upstream)),
    versions: () => store.db.deadline(store.toolPins.versions()),
    async record(upstream, tools, makePlan) {
      const plan = await store.db.transact(async (tx) => {
        const { version, now } = await store.toolPins.lock(tx, upstream);
        const plan = makePlan(now);
        if (plan === undefined) return undefined; // another replica was faster: nothing is left to write
        await store.toolPins.write(tx, upstream, version, plan);
        const eventId = newId();
        const input = { eventId, timeMs: Date.now(), settingsVersion: version, upstream, tools, plan };
        const canonical = canonicalEvent(pinEvent(source, input));
        await store.audit.appendIn(tx, [{ chain: INSTALLATION_CHAIN, eventId, canonical, conditions: [] }]);
        return plan;
      });
      if (plan !== undefined) report(metrics, log, upstream, plan);
    },
  };
}

function report(metrics: Metrics, log: Log, upstream: string, plan: PinPlan): void {
  metrics.toolPins("trusted", plan.trusted.length);
  metrics.toolPins("differing", plan.candidates.length);
  metrics.toolPins("settled", plan.settled.length);
  metrics.toolPins("missing", plan.missing.length + plan.forgotten.length);
  const level = plan.candidates.length > 0 ? "warn" : "info";
  log(level, plan.isFirst ? "The tools of an upstream are pinned" : "The tools of an upstream have changed", {
    ...{ upstream, trusted: plan.trusted.length, differing: plan.candidates.length },
    ...{ settled: plan.settled.length, missing: plan.missing.length + plan.forgotten.length },
  });
}
