/** CPU time and memory of other processes, read from Linux's `/proc`. */

/** Clock ticks per second of `/proc/<pid>/stat`; 100 on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/** User and system time of a process and its ended threads, in microseconds. */
export function cpuMicros(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND * 1_000_000;
}

/** The same of a process and all its children, and of children that have ended. */
export function familyCpuMicros(parent: number): number {
  let ticks = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const fields = statFields(Number(name));
      if (Number(name) !== parent && Number(fields[1]) !== parent) continue;
      ticks += Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
    } catch {
      // It ended while we looked.
    }
  }
  return ticks / TICKS_PER_SECOND * 1_000_000;
}

/** Resident memory in MiB. */
export function residentMib(pid: number): number {
  const [, resident] = Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ");
  return Number(resident) * PAGE_BYTES / 1024 / 1024;
}

/** Fields of `/proc/<pid>/stat` after the name, which may hold spaces: the first is the state, the second the parent. */
function statFields(pid: number): readonly string[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}
