import assert from "node:assert/strict";
import { parseTraceparent } from "./trace_context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736", SPAN = "00f067aa0ba902b7";

Deno.test("parseTraceparent() reads what the W3C recommendation calls valid", () => {
  const read = { traceId: TRACE, parentId: SPAN };
  for (
    const [version, rest] of [["00", "01"], ["00", "00"], ["cc", "09"], ["cc", "09-what-the-future-will-be"]]
  ) {
    assert.deepEqual(parseTraceparent(`${version}-${TRACE}-${SPAN}-${rest}`), read);
  }
});

Deno.test("parseTraceparent() takes anything else for none", () => {
  const rejected = [
    ...[undefined, null, 7, "", "00", `00-${TRACE}-${SPAN}`, `ff-${TRACE}-${SPAN}-01`],
    ...[`00-${TRACE}-${SPAN}-01-more`, `00-${TRACE}-${SPAN}-01-`, `cc-${TRACE}-${SPAN}-01.more`],
    ...[`00-${"0".repeat(32)}-${SPAN}-01`, `00-${TRACE}-${"0".repeat(16)}-01`],
    ...[`00-${TRACE.toUpperCase()}-${SPAN}-01`, `00-${TRACE}x-${SPAN}-01`, ` 00-${TRACE}-${SPAN}-01`],
    ...[`00-${TRACE}-${SPAN}-01\n`, `00-${TRACE}-${SPAN}-1`, `cc-${TRACE}-${SPAN}-01-${"x".repeat(600)}`],
  ];
  for (const text of rejected) assert.equal(parseTraceparent(text), undefined, JSON.stringify(text));
});
