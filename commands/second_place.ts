/** The last signed checkpoint of every chain, in files beside the database. */
import type { SecondPlace } from "../audit/log_signer.ts";

/** One file per log, named by its origin; replaced in one step and durable when `write` resolves. */
export function fileSecondPlace(folder: string): SecondPlace {
  const pathOf = (origin: string) => `${folder}/${encodeURIComponent(origin)}.checkpoint`;
  return {
    async read(origin) {
      try {
        return await Deno.readTextFile(pathOf(origin));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    async write(origin, note) {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      const path = pathOf(origin);
      await Deno.writeTextFile(`${path}.new`, note, { mode: 0o600 });
      await sync(`${path}.new`);
      await Deno.rename(`${path}.new`, path);
      await sync(folder); // a rename is durable only then
    },
  };
}

async function sync(path: string): Promise<void> {
  const file = await Deno.open(path);
  try {
    await file.sync();
  } finally {
    file.close();
  }
}
