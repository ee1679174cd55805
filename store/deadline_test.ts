import assert from "node:assert/strict";
import postgres from "postgres";
import { GatewayError } from "../core/errors.ts";
import { asDatabaseError, messageOf, withDeadline } from "./deadline.ts";

function driverError(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

Deno.test("withDeadline() hands through an answer in time", async () => {
  assert.equal(await withDeadline(Promise.resolve(5), 1_000), 5);
});

Deno.test("withDeadline() rejects after its time, calls onOverrun, and swallows the late failure", async () => {
  const late = Promise.withResolvers<never>();
  let overruns = 0;
  await assert.rejects(
    withDeadline(late.promise, 20, () => void overruns++),
    (error: GatewayError) => error.code === "database_unavailable" && /within 20 ms/.test(error.message),
  );
  assert.equal(overruns, 1);
  late.reject(new Error("late"));
  await new Promise((resolve) => setTimeout(resolve, 5)); // an unhandled rejection would fail the test
});

Deno.test("asDatabaseError() wraps driver errors and keeps them as cause", () => {
  const refused = driverError("connect ECONNREFUSED 127.0.0.1:1", "ECONNREFUSED");
  const both = new AggregateError([refused], "");
  const sql = new postgres.PostgresError("relation does not exist");
  for (const cause of [refused, both, sql, driverError("x", "CONNECT_TIMEOUT")]) {
    const error = asDatabaseError(cause);
    assert.ok(error instanceof GatewayError);
    assert.equal(error.code, "database_unavailable");
    assert.equal(error.cause, cause);
  }
});

Deno.test("asDatabaseError() leaves bugs and faults alone", () => {
  const fault = new GatewayError("database_newer", "x");
  for (const error of [fault, new TypeError("x"), new RangeError("x"), driverError("x", "ERR_BUG")]) {
    assert.equal(asDatabaseError(error), error);
  }
});

Deno.test("messageOf() finds a text", () => {
  assert.equal(messageOf(new AggregateError([driverError("", "ECONNREFUSED")], "")), "ECONNREFUSED");
  assert.equal(messageOf("text"), "text");
});
