import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { sqlOf } from "./transaction.ts";

/** Channel on which a new settings version is announced when it commits; the function `settings_raise` names it too. */
export const SETTINGS_CHANNEL = "intentgate_settings";

/** Version of all settings together, in the only row of the table `installation`. */
export async function readSettingsVersion({ sql }: Database): Promise<number> {
  const [row] = await sql<{ settings_version: string }[]>`SELECT settings_version FROM installation`;
  return safeInteger(row?.settings_version);
}

/** Raises the version by one and announces it at commit. Holds the row of `installation` until the transaction ends. */
export async function raiseSettingsVersion(tx: Tx): Promise<number> {
  const [row] = await sqlOf(tx)<{ version: string }[]>`SELECT settings_raise() AS version`;
  return safeInteger(row?.version);
}
