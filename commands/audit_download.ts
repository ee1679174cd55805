/** Downloads exports into files, and goes on with an archive that broke off. A file has its name once it is whole. */
import { type ArrivedExport, arrivedExport } from "../audit/export/resume.ts";
import type { Manifest } from "../audit/export/manifest.ts";
import { GatewayError } from "../core/errors.ts";
import type { AdminClient } from "./admin_client.ts";
import { type Terminal, UsageError } from "./command.ts";

/** What is asked for; the members are the parameters of `GET /audit/export`. */
export interface ExportQuery {
  readonly tenant: string;
  readonly first?: number | undefined;
  readonly last?: number | undefined;
  readonly since_size?: number | undefined;
  readonly [filter: string]: string | number | undefined;
}

/** Writes the export to `path`, which must not exist, by way of `path.part`. */
export async function downloadExport(
  client: AdminClient,
  terminal: Terminal,
  path: string,
  query: ExportQuery,
): Promise<Manifest> {
  await requireFree(path);
  const part = partOf(path);
  const begun = await isThere(part) ? await arrivedExport((await Deno.open(part)).readable) : undefined;
  if (begun !== undefined) {
    requireSame(begun.manifest, query, part);
    terminal.complain(`Going on with "${part}" after event ${begun.lastSeq ?? begun.manifest.first - 1}`);
  }
  if (begun?.isWhole !== true) await receive(client, part, query, begun);
  const arrived = await arrivedExport((await Deno.open(part)).readable);
  if (arrived?.isWhole !== true) {
    throw new GatewayError(
      "internal",
      `The download ended early; run the same command again to go on with "${part}"`,
    );
  }
  await Deno.rename(part, path);
  return arrived.manifest;
}

/** Writes a table to `path`, which must not exist, by way of `path.part`, which does not stay when it breaks off. */
export async function downloadTable(
  client: AdminClient,
  path: string,
  query: ExportQuery,
): Promise<void> {
  await requireFree(path);
  const part = partOf(path);
  const { body } = await client.file("/audit/events.csv", query);
  const file = await Deno.open(part, { write: true, createNew: true, mode: 0o600 }).catch((cause) => {
    throw new UsageError(`Cannot make the file "${part}"`, { cause });
  });
  try {
    await body?.pipeTo(file.writable);
  } catch (cause) {
    await Deno.remove(part);
    throw new GatewayError("internal", "The download broke off; run the same command again", { cause });
  }
  await Deno.rename(part, path);
}

function partOf(path: string): string {
  return `${path}.part`;
}

async function requireFree(path: string): Promise<void> {
  if (await isThere(path)) throw new UsageError(`The file "${path}" exists already`);
}

async function receive(
  client: AdminClient,
  part: string,
  query: ExportQuery,
  begun: ArrivedExport | undefined,
): Promise<void> {
  const canGoOn = begun?.lastSeq !== undefined;
  const { body } = await client.file("/audit/export", canGoOn ? restOf(query, begun) : query);
  const file = await Deno.open(part, { write: true, create: true, truncate: !canGoOn, mode: 0o600 });
  try {
    if (canGoOn) {
      await file.truncate(begun.wholeBytes);
      await file.seek(0, Deno.SeekMode.End);
    }
    await body?.pipeTo(file.writable);
  } catch (cause) {
    const message = `The download broke off; run the same command again to go on with "${part}"`;
    throw new GatewayError("internal", message, { cause });
  }
}

/** The same bytes come again only for the same range under the same checkpoint. */
function restOf(query: ExportQuery, { manifest, lastSeq }: ArrivedExport): ExportQuery {
  const { first, last, tree: { size } } = manifest;
  return { ...query, first, last, size, resume_after: lastSeq };
}

function requireSame(manifest: Manifest, query: ExportQuery, part: string): void {
  const { tenant, first, last, since_size: since, cosigned: _cosigned, ...filters } = query;
  const asked = Object.entries(filters).filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, String(value)] as const);
  const had = Object.entries(manifest.filter ?? {});
  const isSame = manifest.chain === tenant && manifest.first === (first ?? 1) &&
    (last === undefined || manifest.last === last) && manifest.consistency?.size === since &&
    asked.length === had.length && asked.every(([name, value]) => manifest.filter?.[name] === value);
  if (!isSame) {
    throw new UsageError(`"${part}" is of another export: go on with that one, or remove the file`);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
