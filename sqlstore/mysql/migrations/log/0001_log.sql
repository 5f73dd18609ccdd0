-- An entry's ID is 16 bytes, of which the first 8 are nanoseconds since 1970: entries sort by time,
-- and no other column holds it. NULL is an empty text. Texts are UTF-8 in binary columns, see the
-- tables of keys, and as long as they come: one that did not fit would be written over and over.
-- Each statement is committed by itself and may be run again.

-- What entries have in common, once. IDs are 1, 2, 3 and so on.
CREATE TABLE IF NOT EXISTS apikey_log_series (
    id         INTEGER    NOT NULL PRIMARY KEY,
    outcome    MEDIUMBLOB NOT NULL,
    reason     MEDIUMBLOB NOT NULL,
    status     INTEGER    NOT NULL,
    method     MEDIUMBLOB NOT NULL,
    route      MEDIUMBLOB NOT NULL,
    permission MEDIUMBLOB NOT NULL,
    action     MEDIUMBLOB NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS apikey_log (
    id             BINARY(16) NOT NULL PRIMARY KEY,
    series         INTEGER    NOT NULL,
    key_id         MEDIUMBLOB,
    request_id     MEDIUMBLOB, -- NULL: the entry's own ID
    path           MEDIUMBLOB NOT NULL,
    query          MEDIUMBLOB,
    client         MEDIUMBLOB NOT NULL,
    request_bytes  BIGINT     NOT NULL,
    response_bytes BIGINT     NOT NULL,
    duration       BIGINT     NOT NULL, -- microseconds
    bytes          BIGINT     NOT NULL, -- what the entry counts for
    method         MEDIUMBLOB, -- these three where the series does not have them
    route          MEDIUMBLOB,
    permission     MEDIUMBLOB,
    fingerprint    MEDIUMBLOB,
    actor          MEDIUMBLOB,
    detail         MEDIUMBLOB,
    lost           BIGINT
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS apikey_log_bodies (
    id                 BINARY(16) NOT NULL PRIMARY KEY,
    request_type       MEDIUMBLOB NOT NULL,
    request_truncated  BOOLEAN    NOT NULL,
    request_omitted    MEDIUMBLOB NOT NULL,
    response_type      MEDIUMBLOB NOT NULL,
    response_truncated BOOLEAN    NOT NULL,
    response_omitted   MEDIUMBLOB NOT NULL,
    request            MEDIUMBLOB NOT NULL,
    response           MEDIUMBLOB NOT NULL
) ENGINE = InnoDB;

-- Which series and which keys occur in which slot of time. A series is a term by its ID, a key by a
-- hash of its ID, which is negative. Each batch of entries has its own rows.
CREATE TABLE IF NOT EXISTS apikey_log_slots (
    slot  BIGINT  NOT NULL, -- a time in nanoseconds, divided by 2^30
    term  BIGINT  NOT NULL,
    batch INTEGER NOT NULL, -- random
    PRIMARY KEY (slot, term, batch),
    KEY apikey_log_slots_term (term, slot)
) ENGINE = InnoDB;

-- One row, for which all who write or remove entries wait before they commit.
CREATE TABLE IF NOT EXISTS apikey_log_size (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    bytes BIGINT  NOT NULL -- the sum of apikey_log.bytes
) ENGINE = InnoDB;

INSERT IGNORE INTO apikey_log_size (id, bytes) VALUES (1, 0);
