-- When the bytes of a file were last on their way. `created_at` cannot tell: the files of a batch have that of their input
-- or of the batch's end. Reserved and confirmed by this server's clock alone, whatever the clocks of processes say.
ALTER TABLE files ADD COLUMN reserved_at timestamptz NOT NULL DEFAULT now();
DROP INDEX files_reserved;
CREATE INDEX files_reserved ON files (reserved_at) WHERE NOT stored;
