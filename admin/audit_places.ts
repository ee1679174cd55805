import type { PlaceConflict } from "../audit/places/place.ts";
import type { CheckpointPlaceType } from "../core/checkpoint_places.ts";
import { requireChain } from "./audit_access.ts";
import { AUDIT_PLACE_ROUTES } from "./contract/audit_places.ts";
import type { AdminEnvironment } from "./environment.ts";
import { type AdminRoute, reading } from "./route.ts";

/** One place and one chain; `store/checkpoint_places.ts` fits. Times are epoch seconds. */
export interface PlaceState {
  readonly place: string;
  readonly size: number | undefined;
  readonly pushedAt: number | undefined;
  readonly failures: number;
  readonly lastError: string | undefined;
  readonly failedAt: number | undefined;
  readonly conflict: PlaceConflict | undefined;
}

/** The configured places and what is known about them. */
export interface PlaceReader {
  readonly configured: readonly { readonly name: string; readonly type: CheckpointPlaceType }[];
  /** Size of the last signed checkpoint. */
  signedSize(chain: string): Promise<number | undefined>;
  states(chain: string): Promise<readonly PlaceState[]>;
  /** When the oldest checkpoint of more than `size` events was signed; `undefined`: there is none. */
  signedAfter(chain: string, size: number | undefined): Promise<number | undefined>;
}

/** How far each place is with a chain. */
export function auditPlaceRoutes(environment: AdminEnvironment, reader: PlaceReader): readonly AdminRoute[] {
  return [
    reading(AUDIT_PLACE_ROUTES.list, async ({ operator, query: { tenant } }) => {
      await requireChain(environment, operator, tenant);
      const signed = await reader.signedSize(tenant);
      const states = new Map((await reader.states(tenant)).map((state) => [state.place, state]));
      const places = [];
      for (const { name, type } of reader.configured) {
        const { size, ...state } = states.get(name) ?? NOTHING;
        const missingSince = await reader.signedAfter(tenant, size);
        places.push({
          ...{ name, type, size: size ?? null, pushed_at: whole(state.pushedAt) },
          lag: {
            events: Math.max(0, (signed ?? 0) - (size ?? 0)),
            seconds: missingSince === undefined
              ? 0
              : Math.max(0, Math.floor(environment.nowMs() / 1000 - missingSince)),
          },
          ...{ failures: state.failures, last_error: state.lastError ?? null },
          ...{ failed_at: whole(state.failedAt), conflict: state.conflict ?? null },
        });
      }
      return { tenant, signed: signed ?? null, places };
    }),
  ];
}

/** Before the first push. */
const NOTHING: Omit<PlaceState, "place"> = {
  ...{ size: undefined, pushedAt: undefined, failures: 0 },
  ...{ lastError: undefined, failedAt: undefined, conflict: undefined },
};

function whole(time: number | undefined): number | null {
  return time === undefined ? null : Math.floor(time);
}
