-- An entry's ID is 16 bytes, of which the first 8 are nanoseconds since 1970: entries sort by time,
-- and no other column holds it. NULL is an empty text. Texts compare by their bytes, whatever the
-- database's language.

-- What entries have in common, once. IDs are 1, 2, 3 and so on.
CREATE TABLE apikey_log_series (
    id         INTEGER NOT NULL PRIMARY KEY,
    outcome    TEXT COLLATE "C" NOT NULL,
    reason     TEXT COLLATE "C" NOT NULL,
    status     INTEGER NOT NULL,
    method     TEXT COLLATE "C" NOT NULL,
    route      TEXT COLLATE "C" NOT NULL,
    permission TEXT COLLATE "C" NOT NULL,
    action     TEXT COLLATE "C" NOT NULL
);

CREATE TABLE apikey_log (
    id             BYTEA NOT NULL PRIMARY KEY,
    series         INTEGER NOT NULL,
    key_id         TEXT COLLATE "C",
    request_id     TEXT COLLATE "C", -- NULL: the entry's own ID
    path           TEXT COLLATE "C" NOT NULL,
    query          TEXT COLLATE "C",
    client         TEXT COLLATE "C" NOT NULL,
    request_bytes  BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    duration       BIGINT NOT NULL, -- microseconds
    bytes          BIGINT NOT NULL, -- what the entry counts for
    method         TEXT COLLATE "C", -- these three where the series does not have them
    route          TEXT COLLATE "C",
    permission     TEXT COLLATE "C",
    fingerprint    TEXT COLLATE "C",
    actor          TEXT COLLATE "C",
    detail         TEXT COLLATE "C",
    lost           BIGINT
);

CREATE TABLE apikey_log_bodies (
    id                 BYTEA NOT NULL PRIMARY KEY,
    request_type       TEXT COLLATE "C" NOT NULL,
    request_truncated  BOOLEAN NOT NULL,
    request_omitted    TEXT COLLATE "C" NOT NULL,
    response_type      TEXT COLLATE "C" NOT NULL,
    response_truncated BOOLEAN NOT NULL,
    response_omitted   TEXT COLLATE "C" NOT NULL,
    request            TEXT COLLATE "C" NOT NULL,
    response           TEXT COLLATE "C" NOT NULL
);

-- Which series and which keys occur in which slot of time. A series is a term by its ID, a key by a
-- hash of its ID, which is negative. Each batch of entries has its own rows.
CREATE TABLE apikey_log_slots (
    slot  BIGINT NOT NULL, -- a time in nanoseconds, divided by 2^30
    term  BIGINT NOT NULL,
    batch INTEGER NOT NULL, -- random
    PRIMARY KEY (slot, term, batch)
);

CREATE INDEX apikey_log_slots_term ON apikey_log_slots (term, slot);

-- One row, for which all who write or remove entries wait before they commit.
CREATE TABLE apikey_log_size (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    bytes BIGINT NOT NULL -- the sum of apikey_log.bytes
);

INSERT INTO apikey_log_size (id, bytes) VALUES (1, 0);
