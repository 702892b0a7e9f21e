-- One data key per person, wrapped by the master key. Deleting a row makes that person's fields unreadable in every
-- event and copy; the events themselves, and the audit chain over them, stay as they are.
CREATE TABLE subject_keys (
  subject_id text PRIMARY KEY,
  wrapped_key bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
