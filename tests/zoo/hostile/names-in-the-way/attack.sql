CREATE TABLE told (who text);
CREATE FUNCTION public.concat(VARIADIC anyarray) RETURNS text LANGUAGE plpgsql
    AS $$ BEGIN INSERT INTO public.told VALUES (current_user); RETURN '1'; END $$;
CREATE FUNCTION public.jsonb_build_object(VARIADIC text[]) RETURNS jsonb LANGUAGE plpgsql
    AS $$ BEGIN INSERT INTO public.told VALUES (current_user); RETURN '{}'; END $$;
CREATE FUNCTION public.same(text, text) RETURNS boolean LANGUAGE plpgsql
    AS $$ BEGIN INSERT INTO public.told VALUES (current_user); RETURN true; END $$;
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same);
