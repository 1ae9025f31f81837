-- A page of the batches in a state costs what is on it, however many there are in others.

CREATE INDEX batches_listed_by_state ON batches (space, state, id DESC) WHERE state <> 'open';
