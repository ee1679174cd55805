/** The overload of tests/integration, for a minute: long enough for queues and memory to show where they grow. */
import { createDatabaseTests } from "../integration/databases.ts";
import { withstandThreefold } from "../integration/overload.ts";

const { test } = createDatabaseTests();

test("a minute of three times of what it can do", (fixture) => withstandThreefold(fixture, 60));
