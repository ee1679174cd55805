/** What the main thread tells the worker of the embedded database. */
export type ToWorker =
  | { readonly kind: "start"; readonly folder: string; readonly idleTransactionMs: number }
  | { readonly kind: "open"; readonly connection: number }
  | { readonly kind: "data"; readonly connection: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "close"; readonly connection: number }
  | { readonly kind: "stop" };

/** What the worker tells the main thread. */
export type FromWorker =
  | { readonly kind: "started" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "data"; readonly connection: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "closed"; readonly connection: number }
  | { readonly kind: "stopped" };
