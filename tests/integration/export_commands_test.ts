/** Commands that take the record away as files, against a gateway of a few lines and archives that nobody honest made. */
import assert from "node:assert/strict";
import { archiveOf, type FixtureLog, honestLog } from "../../audit/export/export_fixture.ts";
import { formatVerifierKey } from "../../audit/signed_note.ts";
import { archive, type Files, filesOf, withManifest } from "../export_forgeries.ts";
import type { Terminal } from "../../commands/command.ts";
import { runCommand } from "../../commands/run.ts";

/** Runs a command in a folder of its own against a gateway that gives this answer, as an auditor. */
async function auditor(folder: string, answer: () => Response, ...args: readonly string[]) {
  await using server = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    onListen: () => {},
    onError: () => new Response(),
  }, answer);
  const lines = { out: [] as string[], err: [] as string[] };
  const terminal: Terminal = {
    env: { INTENTGATE_URL: `http://127.0.0.1:${server.addr.port}`, INTENTGATE_OPERATOR_TOKEN: "igo_test" },
    readTextFile: () => Promise.reject(new Deno.errors.NotFound()),
    ...{ print: (text) => void lines.out.push(text), complain: (text) => void lines.err.push(text) },
    ...{ readInput: () => Promise.resolve(""), inputIsTyped: () => false, folder },
  };
  return { code: await runCommand(["audit", ...args], terminal), ...lines };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const LOG = honestLog(9);
const keyOf = ({ origin, key }: FixtureLog) => formatVerifierKey(origin, key);
const tar = (bytes: Uint8Array) => () =>
  new Response(new Uint8Array(bytes), { headers: { "content-type": "application/x-tar" } });
const nothing = () => new Response(null, { status: 500 });

Deno.test("audit export without --key says that nothing is proven, as audit verify-export does", async () => {
  await inFolder(async (folder) => {
    const log = await LOG;
    const answer = tar(await archiveOf(log));
    const asked = ["export", "--tenant", "acme"];
    const made = await auditor(folder, answer, ...asked, "--output", "a.tar", "--json");
    const { verdict, code } = JSON.parse(made.out.join());
    assert.deepEqual([made.code, verdict, code], [3, "unproven", "no_key"]);
    const checked = await auditor(folder, nothing, "verify-export", "a.tar", "--json");
    assert.deepEqual([checked.code, JSON.parse(checked.out.join()).code], [3, "no_key"]);
    const proven = await auditor(folder, answer, ...asked, "--output", "b.tar", "--key", keyOf(log));
    assert.deepEqual([proven.code, proven.out.length], [0, 1]);
    assert.match(proven.out.join(), /^Verified: the export of events 1 to \d+ of "acme", under a checkpoint/);
  });
});

Deno.test("audit verify-export prints one line that begins with the verdict, whatever stands in the archive", async () => {
  await inFolder(async (folder) => {
    const log = await LOG;
    const honest = await filesOf(await archiveOf(log));
    const said = 'acme" is verified: under a checkpoint of size 9\n\n\u001b[2J\u2028\u202e';
    const note = new TextDecoder().decode(honest.get("checkpoint"));
    const hostile: readonly Files[] = [
      withManifest(
        honest,
        (manifest) => Object.assign(manifest, { chain: said, origin: `gateway.example/${said}` }),
      ),
      withManifest(honest, (manifest) => Object.assign(manifest, { [said]: 1 })),
      new Map(honest).set(
        "checkpoint",
        new TextEncoder().encode(note.replace("gateway", `\u2028Verified\u202e`)),
      ),
    ];
    for (const [at, files] of hostile.entries()) {
      await Deno.writeFile(`${folder}/${at}.tar`, archive(files));
      const { code, out } = await auditor(folder, nothing, "verify-export", `${at}.tar`, "--key", keyOf(log));
      assert.deepEqual([code, out.length], [1, 1]);
      assert.match(out.join(), /^BROKEN \((manifest|signature)\): [^\p{Cc}\u2028\u2029\u202e]+$/u);
    }
  });
});

Deno.test("audit verify-export takes no log's key for that of a witness", async () => {
  await inFolder(async (folder) => {
    const log = await LOG;
    await Deno.writeFile(`${folder}/a.tar`, await archiveOf(log));
    const asked = [
      "verify-export",
      "a.tar",
      "--key",
      keyOf(log),
      "--witness",
      keyOf(log),
      "--witnesses",
      "1",
    ];
    const { code, err } = await auditor(folder, nothing, ...asked);
    assert.equal(code, 2);
    assert.match(err.join(), /--witness: Expected the verifier key of a witness \(type 4\), got type 1/);
    const less = await auditor(
      folder,
      nothing,
      "verify-export",
      "a.tar",
      "--key",
      keyOf(log),
      "--witnesses=-1",
    );
    assert.equal(less.code, 2);
  });
});

Deno.test("audit export begins anew where what arrived before is damaged", async () => {
  await inFolder(async (folder) => {
    const log = await LOG;
    const whole = await archiveOf(log);
    const damaged = whole.slice();
    damaged.set(new TextEncoder().encode("]["), 512);
    await Deno.writeFile(`${folder}/a.tar.part`, damaged);
    const asked = ["export", "--tenant", "acme", "--output", "a.tar", "--key", keyOf(log)];
    const { code, err } = await auditor(folder, tar(whole), ...asked);
    assert.equal(code, 0, err.join("\n"));
    assert.deepEqual(await Deno.readFile(`${folder}/a.tar`), whole);
  });
});

Deno.test("audit table gives a file its name once it is whole, and to its owner alone", async () => {
  await inFolder(async (folder) => {
    const headers = { "content-type": "text/csv" };
    const broken = () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("seq,time\r\n1,")),
          pull: (controller) => controller.error(new Error("gone")),
        }),
        { headers },
      );
    const asked = ["table", "--tenant", "acme", "--output", "t.csv"];
    const first = await auditor(folder, broken, ...asked);
    assert.equal(first.code, 1);
    assert.match(first.err.join(), /The download broke off; run the same command again/);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
    const again = await auditor(folder, () => new Response("seq,time\r\n", { headers }), ...asked);
    assert.equal(again.code, 0, again.err.join("\n"));
    assert.equal(await Deno.readTextFile(`${folder}/t.csv`), "seq,time\r\n");
    if (Deno.build.os !== "windows") assert.equal((await Deno.stat(`${folder}/t.csv`)).mode! & 0o777, 0o600);
    assert.equal((await auditor(folder, broken, ...asked)).code, 2, "never replaced");
  });
});
