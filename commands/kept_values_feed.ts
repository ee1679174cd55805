/** What each tenant wants kept beside its audit events, in memory: nothing is asked on the path of a call. */
import { RECORD_VALUES, type RecordValues } from "../core/record_values.ts";
import { followSettings } from "./follow_settings.ts";
import type { SettingsFeed } from "./settings_feed.ts";

/** Reads the tenants that want something kept, with what that is. */
export type KeptValuesSource = () => Promise<ReadonlyMap<string, string>>;

/** Gives what a tenant wants kept; reads it now, and again whenever settings change. */
export async function followKeptValues(
  feed: Pick<SettingsFeed, "onChange">,
  read: KeptValuesSource,
  onError: (error: unknown) => void,
): Promise<(tenant: string) => RecordValues> {
  let known: ReadonlyMap<string, string> = await read();
  followSettings(feed, { read: async () => void (known = await read()), onError });
  return (tenant) => RECORD_VALUES.find((value) => value === known.get(tenant)) ?? "none";
}
