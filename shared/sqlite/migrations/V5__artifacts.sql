-- Files that come of items.

ALTER TABLE batch_outcomes ADD COLUMN artifacts TEXT;      -- JSON: name, key in object storage, length, type and hash of each
