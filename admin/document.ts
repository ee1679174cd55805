import type { JsonObject } from "../core/json.ts";
import { DOCUMENT_ROUTES } from "./contract/document_route.ts";
import { openApiDocument } from "./contract/openapi.ts";
import { type AdminRoute, reading } from "./route.ts";

/** The OpenAPI document of this version, made when it is first asked for. */
export function documentRoutes(version: string): readonly AdminRoute[] {
  let document: (JsonObject & { readonly openapi: "3.1.1" }) | undefined;
  return [reading(DOCUMENT_ROUTES.show, () => document ??= openApiDocument(version))];
}
