CREATE FUNCTION act(command text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN EXECUTE command; END $$;
