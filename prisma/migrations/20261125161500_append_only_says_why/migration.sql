-- The same refusals with the plain error code: clients show the message of a restrict_violation as one of a foreign key.

CREATE OR REPLACE FUNCTION "refuse_rewriting_the_ledger"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- Column that an undo may fill in; empty = none.
  undo text := TG_ARGV[0];
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    RAISE EXCEPTION '% is append-only: it can not be emptied', TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN
    -- Within a cascade this trigger runs below that of the foreign key.
    IF pg_trigger_depth() > 1 THEN RETURN OLD; END IF;
    RAISE EXCEPTION '% is append-only: rows can not be deleted, undo appends a REVERT', TG_TABLE_NAME;
  END IF;
  IF undo <> '' AND to_jsonb(OLD)->undo = 'null'::jsonb AND to_jsonb(NEW) - undo = to_jsonb(OLD) - undo THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% is append-only: rows can not be changed, undo appends a REVERT', TG_TABLE_NAME;
END
$$;
