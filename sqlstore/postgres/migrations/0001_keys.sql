-- Times are microseconds since 1970, and NULL for never. Texts sort by their
-- bytes, whatever the database's language.

CREATE TABLE apikey_keys (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name         TEXT COLLATE "C" NOT NULL,
    description  TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    permissions  TEXT COLLATE "C" NOT NULL, -- a JSON array of texts
    logging      SMALLINT NOT NULL, -- the sum of 1 for requests and 2 for responses
    metadata     TEXT COLLATE "C" NOT NULL, -- a JSON object of texts
    disabled     BOOLEAN NOT NULL,
    created_at   BIGINT,
    updated_at   BIGINT,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,
    version      BIGINT NOT NULL
);

CREATE TABLE apikey_credentials (
    key_id     TEXT COLLATE "C" NOT NULL REFERENCES apikey_keys (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL, -- 0 is the newest
    digest     BYTEA NOT NULL CHECK (octet_length(digest) = 32),
    hint       TEXT COLLATE "C" NOT NULL,
    weak       BOOLEAN NOT NULL,
    created_at BIGINT,
    expires_at BIGINT,
    PRIMARY KEY (key_id, position)
);

CREATE UNIQUE INDEX apikey_credentials_digest ON apikey_credentials (digest);

CREATE TABLE apikey_marker (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    value BYTEA NOT NULL
);

-- One row, whose lock brings the transactions that change keys into an order.
CREATE TABLE apikey_sequence (
    id  INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL
);

INSERT INTO apikey_sequence (id, seq) VALUES (1, 0);

-- The last changes of keys, numbered without a gap, and never none.
CREATE TABLE apikey_changes (
    seq        BIGINT NOT NULL PRIMARY KEY,
    key_id     TEXT COLLATE "C" NOT NULL,
    changed_at BIGINT NOT NULL
);

INSERT INTO apikey_changes (seq, key_id, changed_at) VALUES (0, '', 0);
