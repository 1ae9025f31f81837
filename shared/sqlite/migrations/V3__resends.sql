-- Messages that were lost are sent again.

ALTER TABLE item_retries ADD COLUMN resends INTEGER NOT NULL DEFAULT 0;    -- dispatches repeated because a message was lost
