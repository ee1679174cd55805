-- Runs after every migration, in its transaction, and closes what the migration made; docs/reference/database.md has the
-- rules. What this transaction has made or replaced is told by `xmin`: whatever else lives in the schema is let alone.
-- `intentgate.tenants` is set by store/tenant_scope.ts: names with commas between them, or '*'; unset, nobody but the
-- owner sees rows of tenants.
DO $$
DECLARE
  made record;
  readable text;
  scope constant text := $scope$(SELECT current_setting('intentgate.tenants', true))$scope$;
BEGIN
  FOR made IN
    SELECT c.oid, c.oid::regclass AS name, tenant.attname AS tenant_column, tenant.attnotnull
    FROM pg_class c
    LEFT JOIN pg_attribute tenant ON tenant.attrelid = c.oid AND tenant.attnum > 0 AND NOT tenant.attisdropped
      AND (tenant.attname IN ('tenant', 'chain') OR c.relname = 'tenants' AND tenant.attname = 'name')
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND c.xmin = pg_current_xact_id()::xid
      AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'owner')
  LOOP
    EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC', made.name);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', made.name);
    -- A constant, which costs the functions of the owner nothing: anything else was 5 to 10 µs for each event appended.
    EXECUTE format('CREATE POLICY owner ON %s TO CURRENT_USER USING (true)', made.name);
    -- A migration may have written a policy of its own under this name.
    IF NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = made.oid AND p.polname = 'reads') THEN
      readable := CASE
        WHEN made.tenant_column IS NULL THEN 'true'
        ELSE format(
          '%1$I = ANY (string_to_array(%2$s, '','')) OR %2$s = ''*''%3$s',
          made.tenant_column, scope, CASE WHEN made.attnotnull THEN '' ELSE format(' OR %I IS NULL', made.tenant_column) END
        )
      END;
      EXECUTE format('CREATE POLICY reads ON %s FOR SELECT USING (%s)', made.name, readable);
    END IF;
  END LOOP;
  FOR made IN
    SELECT p.oid::regprocedure AS name, p.prosecdef FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace AND p.xmin = pg_current_xact_id()::xid
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made.name);
    IF made.prosecdef THEN
      -- Temporary objects come last, so that a caller's cannot stand in front of ours.
      EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', made.name, current_schema());
    END IF;
  END LOOP;
END $$;
