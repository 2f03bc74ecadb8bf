CREATE FUNCTION finish() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status := 'completed';
    NEW.assigned_worker := 'worker-A';
    RETURN NEW;
END
$$;
CREATE TRIGGER finish BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION finish();
