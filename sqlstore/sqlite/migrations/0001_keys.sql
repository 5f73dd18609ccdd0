-- Times are microseconds since 1970, and NULL for never.

CREATE TABLE apikey_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    permissions  TEXT    NOT NULL, -- a JSON array of texts
    logging      INTEGER NOT NULL, -- the sum of 1 for requests and 2 for responses
    metadata     TEXT    NOT NULL, -- a JSON object of texts
    disabled     INTEGER NOT NULL,
    created_at   INTEGER,
    updated_at   INTEGER,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    version      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE apikey_credentials (
    key_id     TEXT    NOT NULL REFERENCES apikey_keys (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL, -- 0 is the newest
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    hint       TEXT    NOT NULL,
    weak       INTEGER NOT NULL,
    created_at INTEGER,
    expires_at INTEGER,
    PRIMARY KEY (key_id, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX apikey_credentials_digest ON apikey_credentials (digest);

CREATE TABLE apikey_marker (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    value BLOB    NOT NULL
) STRICT;
