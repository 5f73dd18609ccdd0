package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/seed-be062aaa/apikey"
)

// An instant is a time as a column holds it: microseconds since 1970, for which
// 64 bits last from the year 1 to the year 9999 and far beyond, or NULL for the
// zero time. Drivers and databases agree on integers; on times they do not.
type instant time.Time

// Value implements [driver.Valuer].
func (i instant) Value() (driver.Value, error) {
	t := time.Time(i)
	if t.IsZero() {
		return nil, nil //nolint:nilnil // NULL
	}
	return t.UnixMicro(), nil
}

// Scan implements [sql.Scanner].
func (i *instant) Scan(src any) error {
	var micros sql.NullInt64
	if err := micros.Scan(src); err != nil {
		return err
	}
	*i = instant{}
	if micros.Valid {
		*i = instant(time.UnixMicro(micros.Int64).UTC())
	}
	return nil
}

// state returns the columns that Update changes, in the order of the statements.
func state(key *apikey.Key) ([]any, error) {
	permissions, metadata, err := encode(key)
	if err != nil {
		return nil, err
	}
	return []any{
		key.Name, key.Description, key.Subject, permissions, int64(key.Logging), metadata, key.Disabled,
		instant(key.UpdatedAt), instant(key.ExpiresAt), instant(key.RevokedAt),
	}, nil
}

// encode returns the permissions and the metadata as JSON, in which equal values
// are equal texts.
func encode(key *apikey.Key) (permissions, metadata string, err error) {
	for _, p := range key.Permissions {
		if !utf8.ValidString(string(p)) {
			return "", "", errors.New("a permission is not valid UTF-8") // JSON would replace its bytes
		}
	}
	for name, value := range key.Metadata {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return "", "", errors.New("the metadata is not valid UTF-8")
		}
	}
	permissions, metadata = "[]", "{}"
	if len(key.Permissions) > 0 {
		text, err := json.Marshal(key.Permissions)
		if err != nil {
			return "", "", err
		}
		permissions = string(text)
	}
	if len(key.Metadata) > 0 {
		text, err := json.Marshal(key.Metadata)
		if err != nil {
			return "", "", err
		}
		metadata = string(text)
	}
	return permissions, metadata, nil
}

// collect reads all rows, of which each holds a key and one of its credentials
// or none; a key's rows follow each other. It closes rows.
func collect(rows *sql.Rows) ([]*apikey.Key, error) {
	defer rows.Close()
	var keys []*apikey.Key
	for rows.Next() {
		key, err := scan(rows)
		if err != nil {
			return nil, err
		}
		if last := len(keys) - 1; last >= 0 && keys[last].ID == key.ID {
			keys[last].Credentials = append(keys[last].Credentials, key.Credentials...)
			continue
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// scan reads one row of keyColumns and credentialColumns.
func scan(rows *sql.Rows) (*apikey.Key, error) {
	var (
		key                           apikey.Key
		credential                    apikey.Credential
		permissions, metadata, digest sql.RawBytes
		hint                          sql.NullString
		weak                          sql.NullBool
	)
	if err := rows.Scan(
		&key.ID, &key.Name, &key.Description, &key.Subject, &permissions, &key.Logging, &metadata, &key.Disabled,
		(*instant)(&key.CreatedAt), (*instant)(&key.UpdatedAt), (*instant)(&key.ExpiresAt),
		(*instant)(&key.RevokedAt), (*instant)(&key.LastUsedAt), &key.Version,
		&digest, &hint, &weak, (*instant)(&credential.CreatedAt), (*instant)(&credential.ExpiresAt),
	); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(permissions, &key.Permissions); err != nil {
		return nil, fmt.Errorf("the permissions of key %q: %w", key.ID, err)
	}
	if string(metadata) != "{}" {
		if err := json.Unmarshal(metadata, &key.Metadata); err != nil {
			return nil, fmt.Errorf("the metadata of key %q: %w", key.ID, err)
		}
	}
	key.Logging &= apikey.LogBoth // whatever wrote other bits there
	if digest == nil {            // an outer join without a match
		return &key, nil
	}
	if len(digest) != len(credential.Digest) {
		return nil, fmt.Errorf("a digest of key %q has %d bytes, want %d", key.ID, len(digest), len(credential.Digest))
	}
	copy(credential.Digest[:], digest)
	credential.Hint, credential.Weak = hint.String, weak.Bool
	key.Credentials = []apikey.Credential{credential}
	return &key, nil
}
