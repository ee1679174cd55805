import manifest from "../deno.json" with { type: "json" };

/** Version of this program. */
export const VERSION: string = manifest.version;
