import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";

/** What is true of the whole installation. */
export interface Installation {
  /** 128 random bits, base64url: names the audit log and is the default audience of tokens. */
  readonly logId: string;
  readonly settingsVersion: number;
}

/** The table `installation`, made with its only row by the first migration. */
export interface InstallationTable {
  readInstallation(): Promise<Installation>;
}

export function createInstallation(database: Database): InstallationTable {
  return {
    readInstallation: async () => {
      const [row] = await database.sql<{ log_id: string; settings_version: string }[]>`
        SELECT log_id, settings_version FROM installation`;
      if (row === undefined) throw new TypeError("Expected one row in installation, got none");
      return { logId: row.log_id, settingsVersion: safeInteger(row.settings_version) };
    },
  };
}
