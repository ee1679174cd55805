import type { LocalOperator } from "../audit/installation_event.ts";

/** Whoever runs this command, as far as the operating system tells. */
export function localOperator(): LocalOperator {
  return { host: Deno.hostname(), osUid: Deno.uid() };
}
