-- Times are microseconds since 1970, and NULL for never. Texts are UTF-8 in binary
-- columns: no collation pads them, folds them or knows their language. Each
-- statement is committed by itself and may be run again.

CREATE TABLE IF NOT EXISTS apikey_keys (
    id           VARBINARY(255) NOT NULL PRIMARY KEY,
    name         BLOB           NOT NULL,
    description  BLOB           NOT NULL,
    subject      BLOB           NOT NULL,
    permissions  MEDIUMBLOB     NOT NULL, -- a JSON array of texts
    logging      TINYINT        NOT NULL, -- the sum of 1 for requests and 2 for responses
    metadata     MEDIUMBLOB     NOT NULL, -- a JSON object of texts
    disabled     BOOLEAN        NOT NULL,
    created_at   BIGINT,
    updated_at   BIGINT,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,
    version      BIGINT         NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS apikey_credentials (
    key_id     VARBINARY(255) NOT NULL,
    position   INTEGER        NOT NULL, -- 0 is the newest
    digest     BINARY(32)     NOT NULL,
    hint       VARBINARY(255) NOT NULL,
    weak       BOOLEAN        NOT NULL,
    created_at BIGINT,
    expires_at BIGINT,
    PRIMARY KEY (key_id, position),
    UNIQUE KEY apikey_credentials_digest (digest),
    FOREIGN KEY (key_id) REFERENCES apikey_keys (id) ON DELETE CASCADE
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS apikey_marker (
    id    INTEGER        NOT NULL PRIMARY KEY CHECK (id = 1),
    value VARBINARY(255) NOT NULL
) ENGINE = InnoDB;

-- One row, whose lock brings the transactions that change keys into an order.
CREATE TABLE IF NOT EXISTS apikey_sequence (
    id  INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT  NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO apikey_sequence (id, seq) VALUES (1, 0);

-- The last changes of keys, numbered without a gap, and never none.
CREATE TABLE IF NOT EXISTS apikey_changes (
    seq        BIGINT         NOT NULL PRIMARY KEY,
    key_id     VARBINARY(255) NOT NULL,
    changed_at BIGINT         NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO apikey_changes (seq, key_id, changed_at) VALUES (0, '', 0);
