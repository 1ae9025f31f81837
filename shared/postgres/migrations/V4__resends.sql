-- Messages that were lost are sent again.
--
-- The column comes with a default that says what was so before: processes of the previous version go on reading and
-- writing, and no row is rewritten.
ALTER TABLE item_retries
    ADD COLUMN resends integer NOT NULL DEFAULT 0;              -- dispatches repeated because a message was lost
