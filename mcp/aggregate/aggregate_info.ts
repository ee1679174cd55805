/** What the aggregate endpoint says about itself. */
import type { JsonObject } from "../../core/json.ts";

/** What it offers, whichever upstreams there are. */
export const AGGREGATE_CAPABILITIES: JsonObject = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};

export const AGGREGATE_SERVER_INFO: JsonObject = { name: "intentgate", version: "1" };
