package sqlstore

// statements are the texts of what a store sends, spelt in its dialect.
type statements struct {
	lookup, get                           string
	insertKey, updateKey, deleteKey       string
	hasKey                                string
	insertCredential, deleteCredentials   string
	use, movable, move                    string
	marker, insertMarker, deleteMarkerWas string

	nextChange, insertChange, trimChanges string
	changesFrom, lastChange               string
}

// keyColumns and credentialColumns are in the order in which a row is scanned.
const (
	keyColumns = `k.id, k.name, k.description, k.subject, k.permissions, k.logging, k.metadata, k.disabled,
		k.created_at, k.updated_at, k.expires_at, k.revoked_at, k.last_used_at, k.version`
	credentialColumns = `c.digest, c.hint, c.weak, c.created_at, c.expires_at`
)

func (s *Store) statements() statements {
	live := ""
	if s.dialect.Feed != nil && s.dialect.Feed.Live != "" {
		live = " AND " + s.dialect.Feed.Live
	}
	return statements{
		// One round trip: from the digest to its key, and on to all of the key's
		// credentials.
		lookup: s.spell(`SELECT ` + keyColumns + `, ` + credentialColumns + `
			FROM apikey_credentials asked
			JOIN apikey_keys k ON k.id = asked.key_id
			JOIN apikey_credentials c ON c.key_id = asked.key_id
			WHERE asked.digest = ? ORDER BY c.position`),
		get: s.spell(`SELECT ` + keyColumns + `, ` + credentialColumns + `
			FROM apikey_keys k LEFT JOIN apikey_credentials c ON c.key_id = k.id
			WHERE k.id = ? ORDER BY c.position`),

		insertKey: s.spell(`INSERT INTO apikey_keys (
			name, description, subject, permissions, logging, metadata, disabled,
			updated_at, expires_at, revoked_at, created_at, last_used_at, id, version
			) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
		updateKey: s.spell(`UPDATE apikey_keys SET
			name = ?, description = ?, subject = ?, permissions = ?, logging = ?, metadata = ?, disabled = ?,
			updated_at = ?, expires_at = ?, revoked_at = ?, version = version + 1
			WHERE id = ? AND version = ?`),
		deleteKey: s.spell(`DELETE FROM apikey_keys WHERE id = ?`),
		hasKey:    s.spell(`SELECT 1 FROM apikey_keys WHERE id = ?`),

		insertCredential: s.spell(`INSERT INTO apikey_credentials (
			key_id, position, digest, hint, weak, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)`),
		deleteCredentials: s.spell(`DELETE FROM apikey_credentials WHERE key_id = ?`),

		use: s.spell(`UPDATE apikey_keys SET last_used_at = ?
			WHERE id = ? AND revoked_at IS NULL AND (last_used_at IS NULL OR last_used_at < ?)`),
		movable: s.spell(`SELECT 1 FROM apikey_keys WHERE id = ? AND revoked_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM apikey_credentials WHERE digest = ?)`),
		move: s.spell(`UPDATE apikey_credentials SET digest = ? WHERE key_id = ? AND digest = ?
			AND EXISTS (SELECT 1 FROM apikey_keys WHERE id = key_id AND revoked_at IS NULL)`),

		marker:          s.spell(`SELECT value FROM apikey_marker`),
		insertMarker:    s.spell(`INSERT INTO apikey_marker (id, value) VALUES (1, ?)`),
		deleteMarkerWas: s.spell(`DELETE FROM apikey_marker WHERE id = 1 AND value = ?`),

		nextChange: s.spell(`UPDATE apikey_sequence SET seq = seq + 1 WHERE id = 1`),
		insertChange: s.spell(`INSERT INTO apikey_changes (seq, key_id, changed_at)
			VALUES ((SELECT seq FROM apikey_sequence WHERE id = 1), ?, ?)`),
		trimChanges: s.spell(`DELETE FROM apikey_changes
			WHERE seq <= (SELECT seq FROM apikey_sequence WHERE id = 1) - ?`),
		changesFrom: s.spell(`SELECT seq, key_id, changed_at FROM apikey_changes
			WHERE seq >= ?` + live + ` ORDER BY seq`),
		lastChange: s.spell(`SELECT seq, key_id, changed_at FROM apikey_changes
			WHERE seq >= ?` + live + ` ORDER BY seq DESC LIMIT 1`),
	}
}
