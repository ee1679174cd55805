/**
 * Plain tar archives (POSIX.1-1988 ustar) of regular files: what every system can unpack, and nothing more. Headers are the
 * same for the same content, so that one export always has the same bytes.
 */

/** One file of an archive. */
export interface TarFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** An archive that is not exactly of the form that `tarFile` writes; says where and what. */
export class TarError extends Error {
  override readonly name = "TarError";
}

const BLOCK = 512;
const MAX_NAME_BYTES = 100;

/** Two empty blocks: the end of an archive. */
export const TAR_END: Uint8Array<ArrayBuffer> = new Uint8Array(2 * BLOCK);

/** Header, content and padding of one file; `modifiedAt` in epoch seconds. */
export function tarFile({ name, content }: TarFile, modifiedAt: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK + content.length + tarPadding(content.length).length);
  bytes.set(tarHeader(name, content.length, modifiedAt));
  bytes.set(content, BLOCK);
  return bytes;
}

/** What stands after a content of so many bytes. */
export function tarPadding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Math.ceil(size / BLOCK) * BLOCK - size);
}

/** What stands before a content of `size` bytes; `modifiedAt` in epoch seconds. */
export function tarHeader(name: string, size: number, modifiedAt: number): Uint8Array<ArrayBuffer> {
  if (!/^[\x21-\x7e]+$/.test(name) || name.length > MAX_NAME_BYTES) {
    throw new RangeError(`Expected a name of 1 to ${MAX_NAME_BYTES} visible ASCII characters, got "${name}"`);
  }
  const header = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => header.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(0, name);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${octal(size, 11)}\0`);
  put(136, `${octal(modifiedAt, 11)}\0`);
  put(148, "        ");
  put(156, "0");
  put(257, "ustar\x0000");
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${octal(sum, 6)}\0 `);
  return header;
}

/** Reads the files of an archive one after the other; throws `TarError` for anything that `tarFile` would not write. */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  maxFileBytes: number,
): AsyncGenerator<TarFile> {
  const source = new ByteSource(chunks);
  for (;;) {
    const header = await source.take(BLOCK);
    if (header === undefined) throw new TarError("The archive ends before its end mark");
    if (header.every((byte) => byte === 0)) break;
    const { name, size } = readHeader(header);
    if (size > maxFileBytes) {
      throw new TarError(`"${name}" has ${size} bytes, at most ${maxFileBytes} are read`);
    }
    const padded = await source.take(Math.ceil(size / BLOCK) * BLOCK);
    if (padded === undefined) throw new TarError(`The archive ends inside "${name}"`);
    if (padded.subarray(size).some((byte) => byte !== 0)) throw new TarError(`Bytes stand after "${name}"`);
    yield { name, content: padded.subarray(0, size) };
  }
  const second = await source.take(BLOCK);
  if (second === undefined || second.some((byte) => byte !== 0)) {
    throw new TarError("The archive's end mark is not whole");
  }
  if (!await source.isAtEnd()) throw new TarError("Bytes stand after the archive's end mark");
}

function readHeader(header: Uint8Array): { readonly name: string; readonly size: number } {
  const text = String.fromCharCode(...header);
  const name = text.slice(0, MAX_NAME_BYTES).replace(/\0+$/, "");
  const [size, modifiedAt] = [text.slice(124, 135), text.slice(136, 147)];
  if (!/^[\x21-\x7e]+$/.test(name) || !/^[0-7]{11}$/.test(size) || !/^[0-7]{11}$/.test(modifiedAt)) {
    throw new TarError("A header of the archive cannot be read");
  }
  const expected = tarHeader(name, parseInt(size, 8), parseInt(modifiedAt, 8));
  if (expected.some((byte, at) => byte !== header[at])) {
    throw new TarError(`The header of "${name}" is not that of a plain file`);
  }
  return { name, size: parseInt(size, 8) };
}

/** Cuts a stream of chunks into pieces of the wanted length. */
class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next `length` bytes; `undefined` when there are fewer. */
  async take(length: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      if (this.#rest.length === 0 && !await this.#fill()) return undefined;
      const part = this.#rest.subarray(0, length - at);
      bytes.set(part, at);
      at += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    return bytes;
  }

  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !await this.#fill();
  }

  async #fill(): Promise<boolean> {
    for (;;) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return false;
      if (value.length === 0) continue;
      this.#rest = new Uint8Array(value);
      return true;
    }
  }
}
