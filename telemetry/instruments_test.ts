import assert from "node:assert/strict";
import { readExposition } from "./exposition_fixture.ts";
import {
  Children,
  Count,
  countSamples,
  Distribution,
  distributionSamples,
  exposition,
  type MetricFamily,
} from "./instruments.ts";

function counterFamily(children: Children<Count>, labels: readonly string[]): MetricFamily {
  return { name: "x_total", help: "X.", type: "counter", samples: () => countSamples(labels, children) };
}

Deno.test("Distribution counts a value in the first bound that it does not exceed", () => {
  const distribution = new Distribution([1, 2]);
  for (const value of [0, 1, 1.5, 2, 2.1]) distribution.observe(value);
  assert.deepEqual([...distribution.counts], [2, 2, 1]);
  assert.equal(distribution.sum, 6.6);
});

Deno.test("exposition() writes histograms cumulatively, with sum, count and +Inf", () => {
  const children = new Children(() => new Distribution([0.5, 1]));
  for (const value of [0.1, 0.7, 3]) children.at("a").observe(value);
  const text = exposition([{
    ...{ name: "x_seconds", help: "X.", type: "histogram" },
    samples: () => distributionSamples(["kind"], children),
  }]);
  assert.equal(
    text,
    `# HELP x_seconds X.
# TYPE x_seconds histogram
x_seconds_bucket{kind="a",le="0.5"} 1
x_seconds_bucket{kind="a",le="1"} 2
x_seconds_bucket{kind="a",le="+Inf"} 3
x_seconds_sum{kind="a"} 3.8
x_seconds_count{kind="a"} 3
`,
  );
});

Deno.test("exposition() escapes help and label values so that they read back as they were", () => {
  const children = new Children(() => new Count());
  const hostile = 'a"b\\n\nc\\';
  children.at(hostile).increase(2);
  const text = exposition([{ ...counterFamily(children, ["who"]), help: "one\\\ntwo" }]);
  const family = readExposition(text).get("x_total");
  assert.deepEqual(family?.samples, [{ name: "x_total", labels: { who: hostile }, value: 2 }]);
  assert.match(text, /^# HELP x_total one\\\\\\ntwo$/m);
});

Deno.test("Children beyond the limit are counted together as other", () => {
  const children = new Children(() => new Count());
  for (let index = 0; index < 1_000; index++) children.at("block", `check${index}`).increase();
  const all = [...children.entries()];
  assert.equal(all.length, 201);
  assert.equal(children.at("other", "other").value, 800);
  assert.equal(all.reduce((sum, [, child]) => sum + child.value, 0), 1_000);
});

Deno.test("Children.declare() puts a child into the exposition before anything is counted", () => {
  const children = new Children(() => new Count()).declare(["allow"], ["block"]);
  const samples = readExposition(exposition([counterFamily(children, ["decision"])])).get("x_total")?.samples;
  assert.deepEqual(samples?.map(({ labels, value }) => [labels.decision, value]), [["allow", 0], [
    "block",
    0,
  ]]);
});
