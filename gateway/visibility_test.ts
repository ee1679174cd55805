import assert from "node:assert/strict";
import type { Principal, ToolCall, ToolDefinition } from "../core/call.ts";
import type { Check } from "../plugins/contract.ts";
import type { Stage } from "../plugins/loading.ts";
import { createDeadlines } from "./deadlines.ts";
import { EMPTY_RUN } from "./runner.ts";
import { listsVersion, type Onlooker, Visibility } from "./visibility.ts";

const tool = (name: string): ToolDefinition => ({ upstream: "a", name, inputSchema: {}, annotations: {} });
const CALL: ToolCall = {
  ...{ id: "d", upstream: "a", method: "tools/call", name: "seen", arguments: {}, argumentsDigest: "" },
  ...{ receivedAtMs: 0, deadlineMs: 0, sourceIp: "127.0.0.1" },
};

function setUp(change: Partial<Check> = {}) {
  const world = { nowMs: 1_000_000, version: "1", asked: [] as string[], faults: [] as string[] };
  const check: Check = {
    run: () => ({ kind: "pass" }),
    lists: (tools) => tools.map(({ name }) => world.asked.push(name) > 0 && name !== "hidden"),
    listsNames: ({ method, names }) => names.map((name) => world.asked.push(`${method} ${name}`) > 0),
    listsVersion: () => world.version,
    ...change,
  };
  const stages: readonly Stage[] = [
    {
      name: "capability",
      establishesPrincipal: true,
      check: { run: check.run, lists: (tools) => tools.map(() => true) },
    },
    { name: "policy", establishesPrincipal: false, check },
  ];
  const nowMs = () => world.nowMs;
  const visibility = new Visibility({
    ...{ nowMs, deadlines: createDeadlines({ nowMs, tickMs: 2 }) },
    onFault: (where, _call, error) => void world.faults.push(`${where} ${error}`),
  });
  const onlooker = (changes: Partial<Principal> = {}, settingsVersion = 1): Onlooker => ({
    principal: {
      ...{
        tenant: "t",
        agent: "x",
        blockIds: ["root"],
        delegates: [],
        jti: "j",
        issuedAt: 1,
        expiresAt: 2_000,
      },
      ...changes,
    },
    run: EMPTY_RUN,
    snapshot: { stages, upstreams: new Map(), settingsVersion },
  });
  const call = { ...CALL, deadlineMs: world.nowMs + 20 };
  return { world, visibility, onlooker, call, stages };
}

Deno.test("tools() keeps what it was told by token, policy, settings and definition", async () => {
  const { world, visibility, onlooker } = setUp();
  const tools = ["seen", "hidden"].map(tool);
  const asked = async (of: Onlooker, given = tools) => {
    world.asked.length = 0;
    assert.deepEqual(await visibility.tools(of, given, 1_000), [true, false]);
    return world.asked.length;
  };
  assert.equal(await asked(onlooker()), 2);
  assert.equal(await asked(onlooker()), 0);
  assert.equal(await asked(onlooker({ blockIds: ["root", "child"] })), 2, "another token");
  assert.equal(await asked(onlooker({ tenant: "other" })), 2, "another tenant");
  assert.equal(await asked(onlooker({}, 2)), 2, "other settings");
  assert.equal(await asked(onlooker(), [tool("seen"), tools[1]!]), 1, "another definition");
  world.version = "2";
  assert.equal(await asked(onlooker()), 2, "another policy");
});

Deno.test("an expired token lists nothing, also from what is kept", async () => {
  const { world, visibility, onlooker } = setUp();
  const tools = [tool("seen")];
  assert.deepEqual(await visibility.tools(onlooker(), tools, 1_000), [true]);
  world.nowMs = 2_000_000;
  assert.deepEqual(await visibility.tools(onlooker(), tools, 1_000), [false]);
  const named = { upstream: "a", method: "prompts/get", names: ["p"] };
  assert.deepEqual(await visibility.names(onlooker(), named, 1_000), [false]);
});

Deno.test("another pipeline is asked anew", async () => {
  const [one, two] = [setUp(), setUp()];
  await one.visibility.tools(one.onlooker(), [tool("seen")], 1_000);
  await one.visibility.tools(two.onlooker(), [tool("seen")], 1_000);
  assert.deepEqual(two.world.asked, ["seen"]);
});

Deno.test("a list is not waited for longer than its time", async () => {
  const { visibility, onlooker } = setUp({ lists: () => new Promise<readonly boolean[]>(() => {}) });
  await assert.rejects(visibility.tools(onlooker(), [tool("seen")], 20), { code: "check_timeout" });
});

Deno.test("toolHider() is synchronous, asks once while the answer is yes, and every time while it is no", () => {
  const { world, visibility, onlooker, call } = setUp();
  const seen = tool("seen");
  for (let times = 0; times < 3; times++) {
    assert.equal(visibility.toolHider(onlooker(), call, seen), undefined);
  }
  assert.deepEqual(world.asked, ["seen"]);
  const hidden = tool("hidden");
  for (let times = 0; times < 3; times++) {
    assert.equal(visibility.toolHider(onlooker(), call, hidden), "policy");
  }
  assert.deepEqual(world.asked, ["seen", "hidden", "hidden", "hidden"]);
});

Deno.test("toolHider() knows what the list said, and the list what it said", async () => {
  const { world, visibility, onlooker, call } = setUp();
  const tools = ["seen", "other"].map(tool);
  await visibility.tools(onlooker(), tools, 1_000);
  assert.equal(visibility.toolHider(onlooker(), call, tools[1]!), undefined);
  assert.deepEqual(world.asked, ["seen", "other"]);
});

Deno.test("a check that fails, or does not answer in time, hides what is called", async () => {
  const lists = [
    () => {
      throw new Error("down");
    },
    () => Promise.reject(new Error("down")),
    () => new Promise<readonly boolean[]>(() => {}),
  ];
  for (const [index, one] of lists.entries()) {
    const { world, visibility, onlooker, call } = setUp({ lists: one });
    const asked = visibility.toolHider(onlooker(), call, tool("seen"));
    world.nowMs += 50;
    assert.equal(await asked, "gateway");
    assert.match(world.faults.join(), index < 2 ? /^lists Error: down$/ : /^lists .*deadline/);
  }
});

Deno.test("nameHider() asks the stages after the first with the call's own method", () => {
  const { world, visibility, onlooker, call } = setUp();
  const named = { ...call, method: "resources/subscribe", name: "test://x" };
  assert.equal(visibility.nameHider(onlooker(), named), undefined);
  assert.equal(visibility.nameHider(onlooker(), { ...named, name: "" }), undefined);
  assert.deepEqual(world.asked, ["resources/subscribe test://x"]);
});

Deno.test("listsVersion() is made of the versions of all checks", () => {
  const { world, stages } = setUp();
  const before = listsVersion(stages);
  world.version = "2";
  assert.notEqual(listsVersion(stages), before);
});

Deno.test("tools of several upstreams are kept apart, also under one name", async () => {
  const { world, visibility, onlooker } = setUp();
  const tools = [tool("seen"), { ...tool("seen"), upstream: "b" }, tool("hidden")];
  for (let times = 0; times < 2; times++) {
    assert.deepEqual(await visibility.tools(onlooker(), tools, 1_000), [true, true, false]);
  }
  assert.deepEqual(world.asked, ["seen", "hidden", "seen"]);
});
