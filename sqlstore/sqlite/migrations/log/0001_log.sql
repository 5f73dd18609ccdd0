-- An entry's ID is 16 bytes, of which the first 8 are nanoseconds since 1970: entries sort by time,
-- and no other column holds it. NULL is an empty text.

-- What entries have in common, once. IDs are 1, 2, 3 and so on.
CREATE TABLE apikey_log_series (
    id         INTEGER NOT NULL PRIMARY KEY,
    outcome    TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    status     INTEGER NOT NULL,
    method     TEXT    NOT NULL,
    route      TEXT    NOT NULL,
    permission TEXT    NOT NULL,
    action     TEXT    NOT NULL
) STRICT;

CREATE TABLE apikey_log (
    id             BLOB    NOT NULL PRIMARY KEY,
    series         INTEGER NOT NULL,
    key_id         TEXT,
    request_id     TEXT,             -- NULL: the entry's own ID
    path           TEXT    NOT NULL,
    query          TEXT,
    client         TEXT    NOT NULL,
    request_bytes  INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    duration       INTEGER NOT NULL, -- microseconds
    bytes          INTEGER NOT NULL, -- what the entry counts for
    method         TEXT,             -- these three where the series does not have them
    route          TEXT,
    permission     TEXT,
    fingerprint    TEXT,
    actor          TEXT,
    detail         TEXT,
    lost           INTEGER
) STRICT, WITHOUT ROWID;

-- Texts come last, so that what is before them can be read without them.
CREATE TABLE apikey_log_bodies (
    id                 BLOB    NOT NULL PRIMARY KEY,
    request_type       TEXT    NOT NULL,
    request_truncated  INTEGER NOT NULL,
    request_omitted    TEXT    NOT NULL,
    response_type      TEXT    NOT NULL,
    response_truncated INTEGER NOT NULL,
    response_omitted   TEXT    NOT NULL,
    request            TEXT    NOT NULL,
    response           TEXT    NOT NULL
) STRICT;

-- Which series and which keys occur in which slot of time. A series is a term by its ID, a key by a
-- hash of its ID, which is negative. Each batch of entries has its own rows.
CREATE TABLE apikey_log_slots (
    slot  INTEGER NOT NULL, -- a time in nanoseconds, divided by 2^30
    term  INTEGER NOT NULL,
    batch INTEGER NOT NULL, -- random
    PRIMARY KEY (slot, term, batch)
) STRICT, WITHOUT ROWID;

CREATE INDEX apikey_log_slots_term ON apikey_log_slots (term, slot);

CREATE TABLE apikey_log_size (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    bytes INTEGER NOT NULL -- the sum of apikey_log.bytes
) STRICT;

INSERT INTO apikey_log_size (id, bytes) VALUES (1, 0);
