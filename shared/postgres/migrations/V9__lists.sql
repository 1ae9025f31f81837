-- A page of the batches in a state costs what is on it, however many there are in others. The list of all is put together
-- from those of the states.

CREATE INDEX batches_listed_by_state ON batches (space, state, id) WHERE state <> 'open';

DROP INDEX batches_listed;
