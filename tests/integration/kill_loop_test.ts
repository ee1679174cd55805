/** The short form of long/kill_loop_test.ts. */
import { runKillLoop } from "../kill_loop.ts";
import { createDatabaseTests } from "./databases.ts";

const { testPostgres } = createDatabaseTests();

testPostgres(
  "kill -9 of the gateway, then of PostgreSQL, under load: every effect has its record, every record its outcome",
  async (fixture, cluster) => {
    console.log(await runKillLoop(fixture, cluster, { rounds: 2, ratePerSecond: 100, okCallsPerRound: 30 }));
  },
);
