import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { type LinkAnswer, type LinkRequest, ServerRequestError } from "../upstream_link.ts";
import { MAX_INPUT_ROUNDS, requestForLegacyClient } from "./legacy_client_bridge.ts";
import { fakeLink, requestOf, resultOf } from "./link_fixture.ts";

const form = { method: "elicitation/create", params: { mode: "form", message: "name?" } };
const ALL = { elicitation: {}, sampling: {}, roots: {} };

function needs(inputRequests: JsonObject, requestState?: string): LinkAnswer {
  const wanted = { inputRequests, ...(requestState === undefined ? {} : { requestState }) };
  return { kind: "input_required", result: {}, text: "{}", wanted };
}

/** A modern upstream that answers one after the other and keeps what it was sent. */
function upstream(...answers: LinkAnswer[]) {
  const seen: LinkRequest[] = [];
  const link = fakeLink("modern", (request) => {
    seen.push(request);
    return Promise.resolve(answers[Math.min(seen.length, answers.length) - 1] as LinkAnswer);
  });
  return { link, seen };
}

const call = (changes: Partial<LinkRequest> = {}) =>
  requestOf("tools/call", {
    ...{
      params: { name: "t", arguments: { a: 1 } },
      client: { capabilities: ALL, traceHeaders: {} },
      ...changes,
    },
  });

Deno.test("requestForLegacyClient() asks the client what the upstream wants to know, and goes on with the answers", async () => {
  const { link, seen } = upstream(
    needs({ who: form, dirs: { method: "roots/list" } }, "state-1"),
    needs({ more: form }),
    resultOf({ resultType: "complete", content: [] }),
  );
  const asked: string[] = [];
  const rounds: number[] = [];
  const answer = await requestForLegacyClient(link, {
    ...call({
      onServerRequest: (method) => {
        asked.push(method);
        return Promise.resolve({ of: method });
      },
    }),
    beforeRound: (round) => Promise.resolve(void rounds.push(round)),
  });
  assert.deepEqual(answer, { kind: "result", result: { content: [] }, text: '{"content":[]}' });
  assert.deepEqual(asked, ["elicitation/create", "roots/list", "elicitation/create"]);
  assert.deepEqual(rounds, [2, 3]);
  const base = { name: "t", arguments: { a: 1 } };
  assert.deepEqual(seen.map(({ params }) => params), [
    base,
    {
      ...base,
      inputResponses: { who: { of: "elicitation/create" }, dirs: { of: "roots/list" } },
      requestState: "state-1",
    },
    { ...base, inputResponses: { more: { of: "elicitation/create" } } },
  ]);
});

Deno.test("requestForLegacyClient() asks nothing that the client does not offer, and ends the call clearly", async () => {
  for (
    const [capabilities, request] of [[{}, form], [{ elicitation: {} }, {
      ...form,
      params: { mode: "url" },
    }]] as const
  ) {
    const { link } = upstream(needs({ who: request }));
    const client = { capabilities, traceHeaders: {} };
    const answer = await requestForLegacyClient(
      link,
      call({ client, onServerRequest: () => Promise.resolve({}) }),
    );
    assert.ok(answer.kind === "error" && /cannot give/.test(answer.error.message));
  }
  const { link } = upstream(needs({ who: form }));
  const answer = await requestForLegacyClient(link, call());
  assert.ok(answer.kind === "error" && /cannot give/.test(answer.error.message));
});

Deno.test("requestForLegacyClient() gives the upstream what the client refuses with, and a bounded number of rounds", async () => {
  const refusing = upstream(needs({ who: form }));
  const refuse = () => Promise.reject(new ServerRequestError(-1, "User rejected"));
  assert.deepEqual(await requestForLegacyClient(refusing.link, call({ onServerRequest: refuse })), {
    ...{ kind: "error", error: { code: -1, message: "User rejected" } },
  });
  const endless = upstream(needs({ who: form }));
  const answer = await requestForLegacyClient(
    endless.link,
    call({ onServerRequest: () => Promise.resolve({}) }),
  );
  assert.ok(answer.kind === "error");
  assert.equal(endless.seen.length, MAX_INPUT_ROUNDS);
});

Deno.test("requestForLegacyClient() ends with the client, also when its answer never comes", async () => {
  const { link } = upstream(needs({ who: form }));
  const agent = new AbortController();
  const hanging = requestForLegacyClient(
    link,
    call({ signal: agent.signal, onServerRequest: () => new Promise(() => {}) }),
  );
  setTimeout(() => agent.abort(), 20);
  await assert.rejects(hanging, { code: "cancelled" });
});

Deno.test("requestForLegacyClient() takes no answers from the client's own params, and leaves legacy upstreams alone", async () => {
  const { link, seen } = upstream(resultOf({}));
  const params = { name: "t", inputResponses: { forged: {} }, requestState: "forged" };
  await requestForLegacyClient(link, call({ params }));
  assert.deepEqual(seen[0]?.params, { name: "t" });
  const legacy = fakeLink("legacy", () => Promise.resolve(resultOf({ resultType: "x" })));
  const answer = await requestForLegacyClient(legacy, call());
  assert.equal(answer.kind === "result" && answer.text, '{"resultType":"x"}');
});

Deno.test("requestForLegacyClient() takes the other questions back after one refusal", async () => {
  const { link } = upstream(needs({ who: form, dirs: { method: "roots/list" } }));
  const takenBack = Promise.withResolvers<string>();
  const answer = await requestForLegacyClient(
    link,
    call({
      onServerRequest: (method, _params, signal) => {
        if (method === "roots/list") return Promise.reject(new ServerRequestError(-1, "No"));
        return new Promise((_, reject) =>
          signal.addEventListener("abort", () => {
            takenBack.resolve(method);
            reject(new ServerRequestError(-2, "Taken back"));
          })
        );
      },
    }),
  );
  assert.ok(answer.kind === "error" && answer.error.code === -1);
  assert.equal(await takenBack.promise, "elicitation/create");
});

Deno.test("requestForLegacyClient() hears a refusal also when the client has gone", async () => {
  const agent = new AbortController();
  const link = fakeLink("modern", () => {
    agent.abort();
    return Promise.resolve(needs({ who: form }));
  });
  const refuse = () => Promise.reject(new ServerRequestError(-1, "Too many"));
  const asked = requestForLegacyClient(link, call({ signal: agent.signal, onServerRequest: refuse }));
  await assert.rejects(asked, { code: "cancelled" });
  await new Promise((resolve) => setTimeout(resolve, 0)); // an unhandled rejection would end this process
});
