import assert from "node:assert/strict";
import { createSwitchBoard, type KillSwitch } from "./switch_board.ts";

const subject = { tenant: "acme", agent: "a", upstream: "erp" };

Deno.test("stoppedBy() finds every scope, for what it names only", () => {
  const cases: [Omit<KillSwitch, "number" | "effect" | "createdAt">, string | undefined][] = [
    [{ scope: "all" }, "all"],
    [{ scope: "tenant", tenant: "acme" }, "tenant"],
    [{ scope: "tenant", tenant: "other" }, undefined],
    [{ scope: "upstream", value: "erp" }, "upstream"],
    [{ scope: "upstream", value: "crm" }, undefined],
    [{ scope: "upstream", tenant: "acme", value: "erp" }, "upstream"],
    [{ scope: "upstream", tenant: "other", value: "erp" }, undefined],
    [{ scope: "agent", tenant: "acme", value: "a" }, "agent"],
    [{ scope: "agent", tenant: "acme", value: "b" }, undefined],
    [{ scope: "agent", tenant: "other", value: "a" }, undefined],
  ];
  for (const [row, scope] of cases) {
    const board = createSwitchBoard();
    board.engage({ number: 1, effect: "engage", createdAt: 5, ...row });
    assert.equal(board.stoppedBy(subject), scope, JSON.stringify(row));
    board.release(1);
    assert.equal(board.stoppedBy(subject), undefined);
  }
});

Deno.test("switches of one scope add up: each is released by its own number", () => {
  const board = createSwitchBoard();
  const row = { effect: "engage", scope: "tenant", tenant: "acme" } as const;
  board.engage({ number: 1, createdAt: 5, ...row });
  board.engage({ number: 2, createdAt: 6, ...row });
  board.engage({ number: 2, createdAt: 6, ...row });
  assert.deepEqual(board.engaged(), [
    { number: 1, scope: "tenant", since: 5 },
    { number: 2, scope: "tenant", since: 6 },
  ]);
  board.release(1);
  board.release(1);
  board.release(99);
  assert.equal(board.stoppedBy(subject), "tenant");
  board.release(2);
  assert.equal(board.stoppedBy(subject), undefined);
});
