import assert from "node:assert/strict";
import { readChunks } from "./chunk_reader.ts";

const TEXT = Array.from({ length: 20_000 }, (_, at) => `line ${at}\n`).join("");

async function allOf(body: ReadableStream<Uint8Array>, isSparse: boolean): Promise<string> {
  const reader = readChunks(body, isSparse);
  const decoder = new TextDecoder();
  let text = "";
  for (let chunk = await reader.read(); chunk !== undefined; chunk = await reader.read()) {
    text += decoder.decode(chunk, { stream: true });
  }
  assert.equal(await reader.read(), undefined);
  return text;
}

Deno.test("readChunks() gives every byte of an answer, of a stream of this process, and of an empty one", async () => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(TEXT));
  for (const isSparse of [true, false]) {
    const response = await fetch(`http://127.0.0.1:${server.addr.port}`);
    assert.ok(response.body !== null);
    assert.equal(await allOf(response.body, isSparse), TEXT);
    const chunks = ReadableStream.from([new TextEncoder().encode(TEXT), new TextEncoder().encode("end")]);
    assert.equal(await allOf(chunks, isSparse), `${TEXT}end`);
    assert.equal(
      await allOf(new ReadableStream({ start: (controller) => controller.close() }), isSparse),
      "",
    );
  }
  await server.shutdown();
});

Deno.test("cancel() ends a read that waits, and the sender learns of it", async () => {
  for (const isSparse of [true, false]) {
    const gone = Promise.withResolvers<void>();
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("a")),
          cancel: () => gone.resolve(),
        }),
      ));
    const { body } = await fetch(`http://127.0.0.1:${server.addr.port}`);
    assert.ok(body !== null);
    const reader = readChunks(body, isSparse);
    assert.equal((await reader.read())?.length, 1);
    const waiting = reader.read();
    reader.cancel();
    assert.equal(await waiting.catch(() => undefined), undefined);
    await gone.promise;
    await server.shutdown();
  }
});

Deno.test("an answer that breaks off rejects the read", async () => {
  for (const isSparse of [true, false]) {
    const broken = new ReadableStream<Uint8Array>({
      start: (controller) => controller.error(new Error("gone")),
    });
    await assert.rejects(readChunks(broken, isSparse).read(), /gone/);
  }
});
