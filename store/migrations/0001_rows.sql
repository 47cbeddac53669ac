-- Rows are what the store keeps, sealed and tagged as in a file: the database
-- understands none of it. A row without a value is one that was deleted, and is
-- kept for a while, for those who have not noticed yet.
CREATE TABLE weighbridge_rows (
	bucket text   NOT NULL,
	key    bytea  NOT NULL,
	value  bytea,
	commit bigint NOT NULL,
	PRIMARY KEY (bucket, key)
);

CREATE INDEX weighbridge_rows_by_commit ON weighbridge_rows (commit);

CREATE TABLE weighbridge_events (
	key   bytea PRIMARY KEY,
	value bytea NOT NULL
);

-- The last commits, each with the tag of its head.
CREATE TABLE weighbridge_commits (
	n   bigint PRIMARY KEY,
	tag bytea NOT NULL
);

-- One row, which whoever changes anything locks. What was deleted up to the
-- commit floor is forgotten.
CREATE TABLE weighbridge_turn (
	one   boolean PRIMARY KEY DEFAULT true CHECK (one),
	floor bigint NOT NULL
);

INSERT INTO weighbridge_turn (floor) VALUES (0);
