-- A claim is good until the lease ends; its token is the proof that a claim is still the one it was.
ALTER TABLE tasks ADD COLUMN lease_ends TIMESTAMPTZ, ADD COLUMN lease_token UUID;
