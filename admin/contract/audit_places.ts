/** Where the checkpoints of a chain are pushed, for whoever wants to know that they arrive. */
import * as z from "zod";
import { CHECKPOINT_PLACE_TYPES, checkpointPlaceName } from "../../core/checkpoint_places.ts";
import { chainName, seq } from "./audit_words.ts";
import { routeSpec } from "./route.ts";
import { seconds, UNKNOWN_TENANT } from "./words.ts";

const conflict = z.strictObject({ code: z.enum(["rolled_back", "forked"]), size: seq });

/** The places of the configuration, with what each has of one chain. */
export const AUDIT_PLACE_ROUTES = {
  list: routeSpec({
    id: "listCheckpointPlaces",
    ...{ method: "GET", path: "/audit/places", access: { role: "auditor", scope: "tenant" } },
    summary: "Say which places outside have which checkpoint of a chain",
    query: z.strictObject({ tenant: chainName.default("default") }),
    answer: {
      status: 200,
      description: "Every configured place, in the order of the configuration.",
      schema: z.strictObject({
        tenant: chainName,
        signed: seq.nullable().describe(
          "Size of the last signed checkpoint; null when none has been signed.",
        ),
        places: z.array(z.strictObject({
          name: checkpointPlaceName,
          type: z.enum(CHECKPOINT_PLACE_TYPES),
          size: seq.nullable().describe("Size of the largest checkpoint that it has; null when it has none."),
          pushed_at: seconds.nullable().describe("When it took that, or said again that it has it."),
          lag: z.strictObject({
            events: seq,
            seconds: z.int().min(0).describe("Age of the oldest checkpoint that it does not have."),
          }),
          failures: z.int().min(0).describe("Since it last took one."),
          last_error: z.string().nullable(),
          failed_at: seconds.nullable(),
          conflict: conflict.nullable()
            .describe(
              "It holds a checkpoint of this size that the chain does not continue: nothing is signed.",
            ),
        })),
      }),
    },
    problems: { 404: [UNKNOWN_TENANT] },
  }),
} as const;
