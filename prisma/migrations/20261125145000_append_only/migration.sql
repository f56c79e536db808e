-- What people decided is never rewritten, whoever is connected: the database itself refuses it.
--
-- Decision, Constraint: the only change is that an undo is noted on them, once. DecisionIdentity, MembershipEvent: none.
-- Rows go only with their whole project, by the cascade of its foreign key.

CREATE FUNCTION "refuse_rewriting_the_ledger"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- Column that an undo may fill in; empty = none.
  undo text := TG_ARGV[0];
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    RAISE EXCEPTION '% is append-only: it can not be emptied', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  IF TG_OP = 'DELETE' THEN
    -- Within a cascade this trigger runs below that of the foreign key.
    IF pg_trigger_depth() > 1 THEN RETURN OLD; END IF;
    RAISE EXCEPTION '% is append-only: rows can not be deleted, undo appends a REVERT', TG_TABLE_NAME
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF undo <> '' AND to_jsonb(OLD)->undo = 'null'::jsonb AND to_jsonb(NEW) - undo = to_jsonb(OLD) - undo THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% is append-only: rows can not be changed, undo appends a REVERT', TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER "append_only" BEFORE UPDATE OR DELETE ON "Decision"
  FOR EACH ROW EXECUTE FUNCTION "refuse_rewriting_the_ledger"('revertedById');
CREATE TRIGGER "append_only" BEFORE UPDATE OR DELETE ON "Constraint"
  FOR EACH ROW EXECUTE FUNCTION "refuse_rewriting_the_ledger"('revokedById');
CREATE TRIGGER "append_only" BEFORE UPDATE OR DELETE ON "DecisionIdentity"
  FOR EACH ROW EXECUTE FUNCTION "refuse_rewriting_the_ledger"('');
CREATE TRIGGER "append_only" BEFORE UPDATE OR DELETE ON "MembershipEvent"
  FOR EACH ROW EXECUTE FUNCTION "refuse_rewriting_the_ledger"('');

CREATE TRIGGER "never_emptied" BEFORE TRUNCATE ON "Decision"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_rewriting_the_ledger"('');
CREATE TRIGGER "never_emptied" BEFORE TRUNCATE ON "Constraint"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_rewriting_the_ledger"('');
CREATE TRIGGER "never_emptied" BEFORE TRUNCATE ON "DecisionIdentity"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_rewriting_the_ledger"('');
CREATE TRIGGER "never_emptied" BEFORE TRUNCATE ON "MembershipEvent"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_rewriting_the_ledger"('');
