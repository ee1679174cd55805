/** A client that nobody of us wrote loses its connection in the middle of a call, and gets the answer all the same. */
import assert from "node:assert/strict";
import { createDatabaseTests } from "../integration/databases.ts";
import { events, eventually, start, verdict } from "../integration/gateways.ts";
import { installNodePackages, runNodeClient } from "./client_programs.ts";
import { installNodeServers, nodeServer } from "./server_programs.ts";

const { testPostgres } = createDatabaseTests();

/** A TCP relay that hands each connection to the next of its targets, and cuts all of them when it is told. */
function startCutter(targets: readonly string[]) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  let accepted = 0;
  const close = (connection: Deno.Conn) => {
    if (!open.delete(connection)) return;
    connection.close();
  };
  const pass = async (from: Deno.Conn, to: Deno.Conn) => {
    await from.readable.pipeTo(to.writable).catch(() => {});
    for (const connection of [from, to]) open.delete(connection);
  };
  const accept = async () => {
    for await (const client of listener) {
      const { hostname, port } = new URL(targets[accepted++ % targets.length] ?? "");
      const server = await Deno.connect({ hostname, port: Number(port) });
      open.add(client).add(server);
      void pass(client, server);
      void pass(server, client);
    }
  };
  void accept().catch(() => {});
  let cuts = 0;
  const control = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    cuts++;
    for (const connection of [...open]) close(connection);
    return new Response(null, { status: 204 });
  });
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    cutUrl: `http://127.0.0.1:${control.addr.port}`,
    cuts: () => cuts,
    connections: () => accepted,
    async stop() {
      listener.close();
      for (const connection of [...open]) close(connection);
      await control.shutdown();
    },
  };
}

testPostgres(
  "a client whose connection is cut in a call comes back, through another replica, and is answered",
  async (fixture) => {
    const [packages, servers] = [await installNodePackages(), await installNodeServers()];
    const { command, args, env } = nodeServer(servers, "everything", []);
    const options = {
      config: {
        pipeline: [{ check: "capability" }],
        upstreams: { everything: { command, args: [...args], env: { ...env } } },
      },
    };
    await using one = await start(fixture, options);
    const keys = await Deno.readTextFile(`${one.dataDir}/keys.json`);
    await using two = await start(fixture, { ...options, env: { INTENTGATE_KEYS: keys } });
    const { token } = await one.mint({
      ...{ tenant: "default", agent: "a", ttl_seconds: 600, upstreams: ["*"], tools: ["*"] },
    });
    const cutter = startCutter([one.url, two.url]);
    try {
      for (const [path, prefix] of [["/mcp/everything", ""], ["/mcp", "everything__"]]) {
        const [cuts, connections] = [cutter.cuts(), cutter.connections()];
        const ran = await runNodeClient({ packages, nodeFolder: undefined }, "resume.mjs", {
          ...{ url: `${cutter.url}${path}`, token, cutUrl: cutter.cutUrl },
          call: { name: `${prefix}trigger-long-running-operation`, arguments: { duration: 4, steps: 8 } },
        });
        assert.equal(ran.code, 0, `${path}: ${ran.stdout}${ran.stderr}`);
        const { progress, result } = JSON.parse(ran.stdout.trim().split("\n").at(-1) ?? "");
        assert.equal(cutter.cuts() - cuts, 1);
        assert.ok(cutter.connections() - connections >= 2);
        assert.match(JSON.stringify(result), /completed/, path);
        assert.deepEqual(progress, [1, 2, 3, 4, 5, 6, 7, 8], path);
      }
      await eventually(async () => await verdict(one, "default") === "verified", "a whole chain", 20_000);
      const outcomes = (await events(one, "default")).filter(({ unmapped }) =>
        unmapped.outcome !== undefined
      );
      assert.deepEqual(outcomes.map(({ unmapped }) => unmapped.outcome), ["ok", "ok"]);
    } finally {
      await cutter.stop();
    }
  },
);
