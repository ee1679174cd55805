import * as z from "zod";
import { routeSpec } from "./route.ts";

/** The document that describes all routes, this one too. */
export const DOCUMENT_ROUTES = {
  show: routeSpec({
    id: "getOpenApi",
    ...{ method: "GET", path: "/openapi.json", access: { role: "auditor", scope: "own" } },
    summary: "Describe this API",
    answer: {
      status: 200,
      description: "An OpenAPI 3.1 document.",
      schema: z.looseObject({ openapi: z.literal("3.1.1") }),
    },
  }),
} as const;
