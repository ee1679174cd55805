/**
 * Makes `store/embedded_seed.tar.gz`: an initialised, empty cluster of the embedded database, so that a first start need
 * not run initdb. Run it again whenever the version of PGlite changes: `deno run -A tools/make_seed.ts`.
 */
import { PGlite } from "@electric-sql/pglite";

const target = new URL("../store/embedded_seed.tar.gz", import.meta.url);

async function makeSeed(): Promise<void> {
  // Small segments: an unused one is written out in full at every first start.
  const database = await PGlite.create({ initDbStartParams: ["--wal-segsize=1"] });
  try {
    await database.exec("CHECKPOINT");
    const dump = await database.dumpDataDir("gzip");
    await Deno.writeFile(target, new Uint8Array(await dump.arrayBuffer()));
    console.log(`${target.pathname}: ${dump.size} bytes`);
  } finally {
    await database.close();
  }
}

if (import.meta.main) void makeSeed();
