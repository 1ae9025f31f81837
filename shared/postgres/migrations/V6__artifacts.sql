-- Files that come of items.
--
-- Null says what was so before, there were none: processes of the previous version go on reading and writing, and no row
-- is rewritten.
ALTER TABLE batch_outcomes
    ADD COLUMN artifacts text;                             -- JSON: name, key in object storage, length, type and hash of each
