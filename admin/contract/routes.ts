/** Every operation of the admin API. */
import { AUDIT_ROUTES } from "./audit.ts";
import { AUDIT_ACTION_ROUTES } from "./audit_actions.ts";
import { AUDIT_EXPORT_ROUTES } from "./audit_export.ts";
import { AUDIT_LOG_ROUTES } from "./audit_log.ts";
import { AUDIT_SEARCH_ROUTES } from "./audit_search.ts";
import { AUDIT_PLACE_ROUTES } from "./audit_places.ts";
import { DOCUMENT_ROUTES } from "./document_route.ts";
import { KILL_SWITCH_ROUTES } from "./kill_switches.ts";
import { OPERATOR_ROUTES } from "./operators.ts";
import { REVOCATION_ROUTES } from "./revocations.ts";
import type { RouteSpec } from "./route.ts";
import { TENANT_ROUTES } from "./tenants.ts";
import { TOKEN_ROUTES } from "./tokens.ts";
import { TOOL_ROUTES } from "./tools.ts";
import { UPSTREAM_ROUTES } from "./upstreams.ts";

/** In the order in which they are documented. */
export const ROUTE_SPECS: readonly RouteSpec[] = [
  ...Object.values(TOKEN_ROUTES),
  ...Object.values(REVOCATION_ROUTES),
  ...Object.values(KILL_SWITCH_ROUTES),
  ...Object.values(AUDIT_ROUTES),
  ...Object.values(AUDIT_SEARCH_ROUTES),
  ...Object.values(AUDIT_LOG_ROUTES),
  ...Object.values(AUDIT_EXPORT_ROUTES),
  ...Object.values(AUDIT_ACTION_ROUTES),
  ...Object.values(AUDIT_PLACE_ROUTES),
  ...Object.values(UPSTREAM_ROUTES),
  ...Object.values(TOOL_ROUTES),
  ...Object.values(TENANT_ROUTES),
  ...Object.values(OPERATOR_ROUTES),
  ...Object.values(DOCUMENT_ROUTES),
];
