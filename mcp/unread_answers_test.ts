import assert from "node:assert/strict";
import { UnreadAnswers, type UnreadReason } from "./unread_answers.ts";

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Answers that are named by their requests. */
function room(options: { readonly maxBytes?: number; readonly stalledMs?: number }) {
  const dropped: [string, UnreadReason][] = [];
  const answers = new UnreadAnswers({
    ...options,
    onDropped: ({ url }, reason) => void dropped.push([url.slice("http://x/".length), reason]),
  });
  const opened: ReturnType<UnreadAnswers["hold"]>[] = [];
  const open = (tenant: string, name: string) => {
    const answer = answers.hold(tenant, new Request(`http://x/${name}`), () => answer.hold(0));
    opened.push(answer);
    return answer;
  };
  /** Whoever waits has taken everything: their timers end. */
  const close = () => opened.forEach((answer) => answer.hold(0));
  return { answers, open, dropped, close };
}

Deno.test("when there is no room, the tenant that has most loses the answer that was not read for longest", () => {
  const { answers, open, dropped, close } = room({ maxBytes: 100 });
  const first = open("loud", "first");
  first.hold(30);
  open("quiet", "only").hold(40);
  open("loud", "second").hold(30);
  first.hold(20); // reads
  assert.deepEqual(dropped, []);
  open("other", "new").hold(15);
  assert.deepEqual(dropped, [["second", "unread_full"]]);
  assert.equal(answers.bytes, 75);
  open("other", "newer").hold(40);
  // Now `other` has most, and its own new answer stays.
  assert.deepEqual(dropped[1], ["new", "unread_full"]);
  assert.equal(answers.bytes, 100);
  close();
});

Deno.test("an answer that is alone may be as long as its upstream may make it", () => {
  const { answers, open, dropped } = room({ maxBytes: 100 });
  const answer = open("acme", "long");
  answer.hold(1_000);
  assert.deepEqual([answers.bytes, dropped], [1_000, []]);
  answer.hold(0);
  assert.equal(answers.bytes, 0);
});

Deno.test("a client that takes nothing loses its answer, one that takes a little keeps it", async () => {
  const { answers, open, dropped } = room({ stalledMs: 60 });
  const stalled = open("acme", "stalled"), slow = open("acme", "slow");
  stalled.hold(10);
  slow.hold(10);
  for (let bytes = 9; bytes > 4; bytes--) {
    await after(25);
    if (dropped.length === 0) stalled.hold(10); // nothing was taken
    slow.hold(bytes);
  }
  assert.deepEqual(dropped, [["stalled", "unread"]]);
  slow.hold(0);
  assert.equal(answers.bytes, 0);
  await after(100);
  assert.equal(dropped.length, 1);
});
