/** The settings version that is in force: announcements make it fast, polling makes it certain. */

/** What the feed reads; `store/settings.ts` fits. */
export interface SettingsSource {
  readVersion(): Promise<number>;
  /** Calls back on every change, and whenever listening began (again). */
  listen(onChange: () => void): Promise<void>;
}

export interface SettingsFeedOptions {
  readonly source: SettingsSource;
  /** What was read when the database was opened. */
  readonly version: number;
  readonly pollMs?: number;
}

export interface SettingsFeed {
  /** The newest version that this replica has seen. */
  version(): number;
  /** Follows the changes of all replicas. Rejects when it cannot listen. */
  start(onError: (error: unknown) => void): Promise<void>;
  /** Reads it now, after a change of our own. */
  refresh(): Promise<void>;
  /** Called after the version has grown; a refresh waits for what it returns. Must not reject. */
  onChange(listener: () => void | Promise<void>): void;
  close(): void;
}

const POLL_MS = 1_000;

/** A feed that stands still until it is started. */
export function createSettingsFeed(options: SettingsFeedOptions): SettingsFeed {
  const { source, pollMs = POLL_MS } = options;
  const state: { version: number; timer?: ReturnType<typeof setTimeout>; closed: boolean } = {
    version: options.version,
    closed: false,
  };
  const listeners: (() => void | Promise<void>)[] = [];
  const tell = async () => {
    for (const listener of listeners) await listener();
  };
  let told = Promise.resolve();
  const refresh = async () => {
    const version = await source.readVersion();
    // Reads may overtake each other; the version only grows.
    if (version > state.version) {
      state.version = version;
      told = told.then(tell);
    }
    // Also when another reading saw the version first: whoever waits finds everybody told.
    await told;
  };
  const poll = (onError: (error: unknown) => void) => {
    if (state.closed) return;
    state.timer = setTimeout(() => refresh().catch(onError).finally(() => poll(onError)), pollMs);
  };
  return {
    version: () => state.version,
    refresh,
    onChange: (listener) => void listeners.push(listener),
    start: async (onError) => {
      await source.listen(() => void refresh().catch(onError));
      poll(onError);
    },
    close: () => {
      state.closed = true;
      clearTimeout(state.timer);
    },
  };
}
