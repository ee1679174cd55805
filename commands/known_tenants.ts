/**
 * Whether a tenant exists: from memory once it is known, else from the database. A tenant without a chain must never
 * reach an append, where it would take every other event of its batch along.
 */
export function knownTenants(
  exists: (tenant: string) => Promise<boolean>,
): (tenant: string) => boolean | Promise<boolean> {
  const known = new Set<string>(); // tenants are never deleted, so it is never wrong
  return (tenant) => {
    if (known.has(tenant)) return true;
    return exists(tenant).then((isThere) => {
      if (isThere) known.add(tenant);
      return isThere;
    });
  };
}
