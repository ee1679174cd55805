/** How much of an export has arrived: a download that broke off goes on at a part. */
import { type Manifest, MANIFEST_FILE, manifestSchema, MAX_PART_BYTES, PART_EVENTS } from "./manifest.ts";
import { readTar, TAR_END, TarError } from "./tar.ts";

/** What a file holds of an export. */
export interface ArrivedExport {
  readonly manifest: Manifest;
  /** Bytes of the whole files in it; what stands behind them was cut off. */
  readonly wholeBytes: number;
  /** The last event of the last whole part; `undefined` when none has arrived. */
  readonly lastSeq: number | undefined;
  /** Nothing is missing. */
  readonly isWhole: boolean;
}

/** Looks through a file that may be cut off or damaged; `undefined` when not even manifest and checkpoint can be used. */
export async function arrivedExport(chunks: AsyncIterable<Uint8Array>): Promise<ArrivedExport | undefined> {
  let manifest: Manifest | undefined;
  let [files, wholeBytes, isWhole] = [0, 0, false];
  try {
    for await (const { name, content } of readTar(chunks, MAX_PART_BYTES)) {
      if (name === MANIFEST_FILE && files === 0) manifest = readManifest(content);
      files++;
      wholeBytes += 512 + Math.ceil(content.length / 512) * 512;
    }
    isWhole = true;
    wholeBytes += TAR_END.length;
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
  }
  if (manifest === undefined || files < 2) return undefined;
  const parts = files - 2;
  const lastSeq = parts === 0 ? undefined : Math.min(manifest.last, manifest.first - 1 + parts * PART_EVENTS);
  return { manifest, wholeBytes, lastSeq, isWhole };
}

function readManifest(content: Uint8Array): Manifest | undefined {
  try {
    return manifestSchema.safeParse(JSON.parse(new TextDecoder().decode(content))).data;
  } catch {
    return undefined; // not even JSON
  }
}
