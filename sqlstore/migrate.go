package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

// The table of versions is the runner's own, and the same everywhere: one row
// for each migration that was applied.
const (
	createVersions = `CREATE TABLE IF NOT EXISTS apikey_schema (
		version INTEGER NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)`
	maxVersion    = `SELECT COALESCE(MAX(version), 0) FROM apikey_schema`
	insertVersion = `INSERT INTO apikey_schema (version, applied_at) VALUES (?, ?)`
)

// migrate applies the migrations that the database lacks, each by itself, so
// that a process killed in between leaves work for the next and nothing half
// done.
func (s *Store) migrate(ctx context.Context) error {
	migrations, err := readMigrations(s.dialect.Migrations)
	if err != nil {
		return err
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it returns to the pool, or is discarded already
	// Most starts find nothing to do, and that needs no lock, which a writer may
	// hold. An error here is most likely a missing table; else it comes again.
	if version, err := s.version(ctx, conn); err == nil {
		done, err := upToDate(version, len(migrations))
		if done || err != nil {
			return err
		}
	}
	for done := false; !done; {
		err := s.dialect.Exclusive(ctx, conn, func() (err error) {
			done, err = s.migrateOnce(ctx, conn, migrations)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// migrateOnce applies the next migration. The caller has the database to itself.
func (s *Store) migrateOnce(ctx context.Context, conn *sql.Conn, migrations []string) (done bool, err error) {
	if _, err := conn.ExecContext(ctx, s.spell(createVersions)); err != nil {
		return false, err
	}
	version, err := s.version(ctx, conn)
	if err != nil {
		return false, err
	}
	if done, err := upToDate(version, len(migrations)); done || err != nil {
		return done, err
	}
	for _, statement := range strings.SplitAfter(migrations[version], ";\n") {
		if statement = strings.TrimSpace(statement); statement == "" {
			continue
		}
		if _, err := conn.ExecContext(ctx, strings.ReplaceAll(statement, defaultPrefix, s.prefix)); err != nil {
			return false, fmt.Errorf("migration %d: %w", version+1, err)
		}
	}
	_, err = conn.ExecContext(ctx, s.spell(insertVersion), version+1, time.Now().UnixMicro())
	return false, err
}

// version returns the number of the last migration applied, or 0.
func (s *Store) version(ctx context.Context, conn *sql.Conn) (version int, err error) {
	err = conn.QueryRowContext(ctx, s.spell(maxVersion)).Scan(&version)
	return version, err
}

// upToDate refuses a database from the future, of which this program cannot know
// what its statements would do to it.
func upToDate(version, known int) (bool, error) {
	if version > known {
		return false, fmt.Errorf("the tables are of version %d, and this program knows no version after %d: "+
			"a newer one has migrated them", version, known)
	}
	return version == known, nil
}

// readMigrations returns the texts of the files, which must be numbered from 1
// without a gap.
func readMigrations(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	migrations := make([]string, len(names))
	for i, name := range names {
		if want := fmt.Sprintf("%04d_*.sql", i+1); !matches(want, name) {
			return nil, fmt.Errorf("the migration %q is not named %s", name, want)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		migrations[i] = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	return migrations, nil
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
