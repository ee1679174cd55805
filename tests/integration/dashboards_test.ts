/** The Grafana dashboard and the alert rules ask only for what the gateway measures, and leave nothing out. */
import assert from "node:assert/strict";
import { parse as parseYaml } from "yaml";
import { createMetrics } from "../../telemetry/metrics.ts";

const FOLDER = new URL("../../deploy/dashboards/", import.meta.url);
const read = (name: string) => Deno.readTextFileSync(new URL(name, FOLDER));

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}
interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const dashboard = JSON.parse(read("intentgate.json"));
const panels: readonly Panel[] = dashboard.panels;
const rules: readonly Rule[] = parseYaml(read("alerts.yaml")).groups.flatMap((group: { rules: Rule[] }) =>
  group.rules
);
const expressions = {
  dashboard: panels.flatMap((panel) => (panel.targets ?? []).map((target) => target.expr)),
  alerts: rules.map((rule) => rule.expr),
};

/** Everything else that may stand in an expression: functions and words of PromQL that we use. */
const PROMQL = new Set(
  ("sum avg max min count by and or unless rate increase changes absent histogram_quantile time inf nan")
    .split(" "),
);

/** Labels that the scraper or Prometheus itself adds. */
const SCRAPE_LABELS = ["job", "instance"];

const families = createMetrics().families;

/** Labels of every sample name of ours, and the values that stand in the exposition from the start. */
function knownSeries(): ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>> {
  const known = new Map<string, Map<string, Set<string>>>();
  for (const { name, type, labels = {}, samples } of families) {
    const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const suffix of suffixes) {
      const names = [...Object.keys(labels), ...SCRAPE_LABELS, ...(suffix === "_bucket" ? ["le"] : [])];
      known.set(name + suffix, new Map(names.map((label) => [label, new Set()])));
    }
    for (const sample of samples()) {
      for (const [label, value] of sample.labels) {
        known.get(name + (sample.suffix ?? ""))?.get(label)?.add(value);
      }
    }
  }
  return known;
}

/** What is wrong with an expression. */
function problemsOf(expression: string): readonly string[] {
  const known = knownSeries();
  const problems: string[] = [];
  const used = [...expression.matchAll(/\b((?:intentgate|process)_[a-z_]+)(?:\{([^}]*)\})?/g)];
  for (const [, name = "", matchers = ""] of used) {
    const labels = known.get(name);
    if (labels === undefined) problems.push(`"${name}" is not measured`);
    for (const [, label = "", operator, value = ""] of matchers.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)) {
      const values = labels?.get(label);
      if (values === undefined) problems.push(`"${name}" has no label "${label}"`);
      else if (operator === "=" && values.size > 0 && !values.has(value)) {
        problems.push(`"${label}" of "${name}" is never "${value}"`);
      }
    }
  }
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(/,\s*/)
  );
  for (const label of grouped) {
    if (!used.some(([, name = ""]) => known.get(name)?.has(label))) {
      problems.push(`nothing has a label "${label}"`);
    }
  }
  const rest = expression.replace(/\b(intentgate|process)_[a-z_]+/g, "").replace(/\{[^}]*\}|\[[^\]]*\]/g, "")
    .replace(/\bby \([^)]*\)/g, "by");
  for (const [word] of rest.matchAll(/[a-zA-Z_][a-zA-Z0-9_]*/g)) {
    if (!PROMQL.has(word) && !/^e\d*$/.test(word)) {
      problems.push(`"${word}" is neither a metric nor a function`);
    }
  }
  return problems;
}

Deno.test("every metric, label and label value of dashboard and alerts is one that the gateway shows", () => {
  assert.ok(expressions.dashboard.length >= 30 && expressions.alerts.length >= 10);
  for (const [where, list] of Object.entries(expressions)) {
    for (const expression of list) assert.deepEqual(problemsOf(expression), [], `${where}: ${expression}`);
  }
});

Deno.test("the test of expressions notices what it is there to notice", () => {
  const wrong: Readonly<Record<string, string>> = {
    "rate(intentgate_decision_total[5m])": '"intentgate_decision_total" is not measured',
    "rate(intentgate_check_seconds[5m])": '"intentgate_check_seconds" is not measured',
    'intentgate_decisions_total{verdict="allow"}': '"intentgate_decisions_total" has no label "verdict"',
    'intentgate_outcomes_total{outcome="lost"}': '"outcome" of "intentgate_outcomes_total" is never "lost"',
    "sum by (tenant) (intentgate_decisions_total)": 'nothing has a label "tenant"',
    "sum(rate(intengate_decisions_total[5m]))":
      '"intengate_decisions_total" is neither a metric nor a function',
  };
  for (const [expression, problem] of Object.entries(wrong)) {
    assert.deepEqual(problemsOf(expression), [problem], expression);
  }
});

Deno.test("every metric of the gateway stands in the dashboard", () => {
  const shown = expressions.dashboard.join("\n");
  const missing = families.map((family) => family.name)
    .filter((name) => !new RegExp(`\\b${name}(_bucket|_sum|_count)?\\b`).test(shown));
  assert.deepEqual(missing, []);
});

Deno.test("the dashboard has what Grafana needs to load it, and asks the chosen data source only", () => {
  assert.equal(dashboard.schemaVersion, 42);
  assert.match(dashboard.uid, /^[a-z-]{1,40}$/);
  const variables: readonly { name: string; type: string; query: unknown }[] = dashboard.templating.list;
  assert.deepEqual(variables.map(({ name, type }) => [name, type]), [
    ["datasource", "datasource"],
    ["job", "query"],
    ["instance", "query"],
  ]);
  assert.equal(new Set(panels.map((panel) => panel.id)).size, panels.length);
  for (const panel of panels) {
    if (panel.type === "row") continue;
    assert.equal(panel.datasource?.uid, "${datasource}", panel.title);
    assert.ok((panel.targets ?? []).length > 0, `${panel.title} shows nothing`);
    for (const target of panel.targets ?? []) {
      assert.equal(target.datasource.uid, "${datasource}", panel.title);
      assert.match(
        target.expr,
        /\{job=~"\$job",instance=~"\$instance"/,
        `${panel.title} ignores the variables`,
      );
    }
    assert.match(panel.description ?? "", /\.$/, `${panel.title} says what it shows`);
  }
});

Deno.test("the panels of the dashboard do not cover each other", () => {
  const taken = new Map<string, string>();
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    assert.ok(x >= 0 && x + w <= 24 && h > 0, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        assert.equal(taken.get(`${column},${line}`), undefined, `"${title}" covers another panel`);
        taken.set(`${column},${line}`, title);
      }
    }
  }
});

Deno.test("the alert of a record that is not what was signed lasts as long as that does", () => {
  const { expr = "" } = rules.find(({ alert }) => alert === "IntentGateRecordBroken") ?? {};
  const lasting = expr.split(/\sor\s/).filter((part) => !/increase|rate/.test(part)).map((part) =>
    part.trim()
  );
  assert.deepEqual(lasting, [
    "max(intentgate_audit_broken_chains) > 0",
    "max(intentgate_audit_refused_chains) > 0",
  ]);
});

Deno.test("every alert says how urgent it is, what happened and what to do, in words that can be found", () => {
  const titles = new Set(panels.map((panel) => panel.title));
  const sources = ["commands", "gateway"].flatMap((folder) =>
    [...Deno.readDirSync(new URL(`../../${folder}`, import.meta.url))].filter(({ name }) =>
      name.endsWith(".ts")
    )
      .map(({ name }) => Deno.readTextFileSync(new URL(`../../${folder}/${name}`, import.meta.url)))
  ).join("\n");
  assert.equal(new Set(rules.map((rule) => rule.alert)).size, rules.length);
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^IntentGate([A-Z][a-z]+)+$/);
    assert.match(labels.severity ?? "", /^(page|ticket)$/, alert);
    assert.deepEqual(Object.keys(annotations), ["summary", "description", "runbook"], alert);
    for (const [name, text] of Object.entries(annotations)) {
      assert.ok(text.length > 20, `${name} of ${alert}`);
    }
    for (const [, quoted = ""] of annotations.runbook?.matchAll(/"([A-Z][^"]+)"/g) ?? []) {
      assert.ok(
        titles.has(quoted) || sources.includes(`"${quoted}"`),
        `${alert} names "${quoted}", which is nowhere`,
      );
    }
    for (const [other] of annotations.runbook?.matchAll(/\bIntentGate[A-Z]\w+/g) ?? []) {
      assert.ok(rules.some((rule) => rule.alert === other), `${alert} names "${other}", which is no alert`);
    }
  }
});
