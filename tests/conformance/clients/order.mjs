// What each Node client is told to do, in one JSON argument (`ClientOrder` in client_programs.ts), and the JSON line that
// tells what came of it.
const order = JSON.parse(process.argv[2]);

/** `connect(url, token, mode)` gives `{list, call, close, protocol?}` of one library. */
export async function carryOut(connect) {
  const { url, token, mode, allowed, refused, hidden, waiting } = order;
  const client = await connect(url, token, mode);
  const tools = await client.list();
  const answer = await client.call(allowed);
  const refusal = await client.call(refused).then((result) => ({ result }), told);
  const absence = await client.call(hidden).then((result) => ({ result }), told);
  const protocol = client.protocol?.();
  await client.close();
  const second = await connect(waiting.url, token, mode);
  const refusedResult = await second.call(waiting.refused).then((result) => ({ result }), told);
  const cancelled = await cancel(second);
  console.log(JSON.stringify({ protocol, tools, answer, refusal, absence, refusedResult, cancelled }));
}

async function cancel(client) {
  const { waiting } = order;
  const leaving = new AbortController();
  const call = client.call(waiting, leaving.signal).then((result) => ({ result }), told);
  await Promise.race([call, fetch(waiting.begunUrl)]);
  leaving.abort();
  const ended = await call;
  // Some libraries send the cancellation as a message of its own, which closing at once would tear.
  await fetch(waiting.cancelledUrl);
  await client.close();
  return ended;
}

function told(error) {
  return { error: { code: error.code, message: error.message, data: error.data } };
}
