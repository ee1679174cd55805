/** Every command of the program, by subject, in the order in which help shows them. */
import { auditList, auditShow } from "./audit.ts";
import { auditConfirm, auditErase, auditPending, auditPrune } from "./audit_actions.ts";
import { auditExport, auditTable, auditVerifyExport } from "./audit_export.ts";
import { auditCheckpoint, auditKey, auditProof, auditVerifyProof } from "./audit_log.ts";
import { auditPlaces } from "./audit_places.ts";
import { auditValues } from "./audit_values.ts";
import { auditVerify } from "./audit_verify.ts";
import { auditSearch, auditTail } from "./audit_search.ts";
import type { Command, Subject } from "./command.ts";
import { completion } from "./completion.ts";
import { keysActivate, keysAdd, keysList, keysRetire } from "./key_commands.ts";
import { killEngage, killList, killRelease } from "./kill.ts";
import { check, migrate, serve } from "./local_commands.ts";
import { apiDescribe } from "./api_description.ts";
import { operatorCreate, operatorDelete, operatorList, operatorWhoami } from "./operators.ts";
import { tenantCreate, tenantList, tenantSet, tenantShow } from "./tenants.ts";
import { tokenAttenuate, tokenInspect } from "./token_offline.ts";
import { revocationList, tokenList, tokenMint, tokenRevoke } from "./token_online.ts";
import { toolsApprove, toolsBlock, toolsList, toolsShow } from "./tools.ts";
import { upstreamList } from "./upstream_list.ts";

/** The headings of help with their commands. */
export const SUBJECTS: readonly Subject[] = [
  { title: "Run a gateway", commands: [serve, check, migrate] },
  {
    title: "Tokens of agents",
    commands: [tokenMint, tokenInspect, tokenAttenuate, tokenList, tokenRevoke, revocationList],
  },
  { title: "Stop calls at once", commands: [killEngage, killRelease, killList] },
  { title: "Tools of the upstreams", commands: [toolsList, toolsShow, toolsApprove, toolsBlock] },
  {
    title: "Audit record",
    commands: [auditList, auditShow, auditSearch, auditTail, auditTable, auditVerify],
  },
  {
    title: "Audit record as evidence",
    commands: [
      ...[auditExport, auditVerifyExport, auditProof, auditVerifyProof],
      ...[auditCheckpoint, auditKey, auditPlaces],
    ],
  },
  {
    title: "Values beside the audit record, and what may leave it",
    commands: [auditValues, auditPrune, auditErase, auditPending, auditConfirm],
  },
  {
    title: "Tenants and tool servers",
    commands: [tenantCreate, tenantList, tenantShow, tenantSet, upstreamList],
  },
  {
    title: "Operators: people and scripts that use these commands",
    commands: [operatorCreate, operatorList, operatorDelete, operatorWhoami],
  },
  { title: "Keys of the gateway", commands: [keysList, keysAdd, keysActivate, keysRetire] },
  { title: "Shell and scripts", commands: [completion, apiDescribe] },
];

/** All of them. */
export const COMMANDS: readonly Command[] = SUBJECTS.flatMap(({ commands }) => commands);
