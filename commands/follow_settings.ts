import type { SettingsFeed } from "./settings_feed.ts";

/** How a follower reads what the settings say. */
export interface SettingsFollower {
  read(): Promise<void>;
  readonly onError: (error: unknown) => void;
  readonly retryMs?: number;
}

const RETRY_MS = 1_000;

/**
 * Reads whenever the settings have changed. The feed tells of each version once, so what could not be read then is read
 * again until it was: a stop that an operator ordered must not wait for the next change.
 */
export function followSettings(feed: Pick<SettingsFeed, "onChange">, follower: SettingsFollower): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const follow = async (): Promise<void> => {
    try {
      await follower.read();
    } catch (error) {
      follower.onError(error);
      clearTimeout(timer);
      const again = setTimeout(() => void follow(), follower.retryMs ?? RETRY_MS);
      Deno.unrefTimer(again);
      timer = again;
    }
  };
  feed.onChange(follow);
}
