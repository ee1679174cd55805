/** `kill -9` of the gateway and of PostgreSQL, twenty times, under load. The short form is in integration/. */
import { createDatabaseTests } from "../integration/databases.ts";
import { runKillLoop } from "../kill_loop.ts";

const { testPostgres } = createDatabaseTests();

testPostgres(
  "20 kills of gateway and database under 500 calls a second: every effect has its record, every record its outcome",
  async (fixture, cluster) => {
    const options = { rounds: 20, ratePerSecond: 500, okCallsPerRound: 200 };
    console.log(await runKillLoop(fixture, cluster, options));
  },
);
