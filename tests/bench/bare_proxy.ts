/** A program of its own: the least that a proxy written with `Deno.serve` and `fetch` can cost, to compare a gateway with. */

if (import.meta.main) {
  const target = Deno.args[0];
  if (target === undefined) throw new TypeError("Expected the URL of an upstream");
  Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(`http://127.0.0.1:${port}/mcp`) },
    async (request) => {
      const body = await request.arrayBuffer();
      const headers = { "content-type": "application/json", accept: "application/json" };
      const response = await fetch(target, { method: "POST", headers, body });
      return new Response(await response.arrayBuffer(), { headers: { "content-type": "application/json" } });
    },
  );
}
