/**
 * The process's own TCP connections, and the means to end one. `Deno.serve` neither counts connections nor has a time
 * limit for the headers of a request, so this asks the C library, where there is one that is known: Linux with glibc.
 */

/** One accepted connection; its descriptor is only good until the caller gives up control. */
export interface AcceptedSocket {
  readonly descriptor: number;
  readonly address: string;
  readonly port: number;
}

export interface SocketTable {
  /** Connections that came in on one of these local ports. */
  accepted(localPorts: ReadonlySet<number>): readonly AcceptedSocket[];
  /** Ends both directions; whoever owns the descriptor then sees the end and closes it. */
  shutdown(socket: AcceptedSocket): void;
}

const [AF_INET, AF_INET6, SHUT_RDWR] = [2, 10, 2];
const SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
} as const;
/** The system gives out the lowest free descriptor: behind a gap longer than this there are none. */
const LONGEST_GAP = 1_024;
const ADDRESS_BYTES = 128;

/** Opens it; `undefined` on other systems. */
export function openSocketTable(): SocketTable | undefined {
  if (Deno.build.os !== "linux") return undefined;
  let symbols: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
  try {
    symbols = Deno.dlopen("libc.so.6", SYMBOLS).symbols;
  } catch {
    return undefined; // another C library, or no right to call it
  }
  const bytes = new Uint8Array(ADDRESS_BYTES);
  const view = new DataView(bytes.buffer);
  const length = new Uint8Array(4);
  let highest = 0;
  const name = (ask: typeof symbols.getsockname, descriptor: number): boolean => {
    length[0] = ADDRESS_BYTES;
    return ask(descriptor, bytes, length) === 0;
  };
  return {
    accepted: (localPorts) => {
      const found: AcceptedSocket[] = [];
      for (let descriptor = 0; descriptor <= highest + LONGEST_GAP; descriptor++) {
        if (!name(symbols.getsockname, descriptor)) continue;
        highest = Math.max(highest, descriptor);
        const family = view.getUint16(0, true);
        if ((family !== AF_INET && family !== AF_INET6) || !localPorts.has(view.getUint16(2))) continue;
        if (!name(symbols.getpeername, descriptor)) continue; // it listens, or has ended already
        found.push({ descriptor, address: addressText(bytes), port: view.getUint16(2) });
      }
      return found;
    },
    shutdown: ({ descriptor }) => void symbols.shutdown(descriptor, SHUT_RDWR),
  };
}

/** As the runtime writes it: RFC 5952, and IPv4 inside IPv6 with dots. */
function addressText(sockaddr: Uint8Array): string {
  if (sockaddr[0] === AF_INET) return sockaddr.subarray(4, 8).join(".");
  const address = sockaddr.subarray(8, 24);
  const isMapped = address.subarray(0, 10).every((byte) => byte === 0) && address[10] === 255 &&
    address[11] === 255;
  if (isMapped) return `::ffff:${address.subarray(12).join(".")}`;
  const groups = Array.from(
    { length: 8 },
    (_, index) => ((address[2 * index] ?? 0) << 8 | (address[2 * index + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
