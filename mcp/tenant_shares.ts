/** Who gives way when what all tenants share is full. */

/** The tenant that stands most often among these; `undefined` for none. */
export function tenantWithMost(tenants: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  let most: string | undefined;
  for (const tenant of tenants) {
    const count = (counts.get(tenant) ?? 0) + 1;
    counts.set(tenant, count);
    if (most === undefined || count > (counts.get(most) ?? 0)) most = tenant;
  }
  return most;
}
