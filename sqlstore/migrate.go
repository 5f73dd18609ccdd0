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

// A table of versions is the runner's own, and the same in every database: one
// row for each migration of its series that was applied.
const (
	createVersions = `CREATE TABLE IF NOT EXISTS apikey_schema (
		version INTEGER NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)`
	maxVersion    = `SELECT COALESCE(MAX(version), 0) FROM apikey_schema`
	insertVersion = `INSERT INTO apikey_schema (version, applied_at) VALUES (?, ?)`
)

// A migrator brings the tables of one series of migrations up to date.
type migrator struct {
	db      *sql.DB
	dialect Dialect
	prefix  string
	// series is empty for the keys. Any other names its table of versions: that
	// of "log" is apikey_log_schema.
	series string
	files  fs.FS
}

// migrate applies the migrations that the database lacks, each by itself, so
// that a process killed in between leaves work for the next and nothing half
// done.
func (m migrator) migrate(ctx context.Context) error {
	if err := m.run(ctx); err != nil {
		return fmt.Errorf("sqlstore: migrating the %s database: %w", m.dialect.Name, err)
	}
	return nil
}

func (m migrator) run(ctx context.Context) error {
	migrations, err := readMigrations(m.files)
	if err != nil {
		return err
	}
	conn, err := m.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it returns to the pool, or is discarded already
	// Most starts find nothing to do, and that needs no lock, which a writer may
	// hold. An error here is most likely a missing table; else it comes again.
	if version, err := m.version(ctx, conn); err == nil {
		done, err := upToDate(version, len(migrations))
		if done || err != nil {
			return err
		}
	}
	for done := false; !done; {
		err := m.dialect.Exclusive(ctx, conn, func() (err error) {
			done, err = m.step(ctx, conn, migrations)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// step applies the next migration. The caller has the database to itself.
func (m migrator) step(ctx context.Context, conn *sql.Conn, migrations []string) (done bool, err error) {
	if _, err := conn.ExecContext(ctx, m.spell(createVersions)); err != nil {
		return false, err
	}
	version, err := m.version(ctx, conn)
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
		if _, err := conn.ExecContext(ctx, strings.ReplaceAll(statement, defaultPrefix, m.prefix)); err != nil {
			return false, fmt.Errorf("migration %d: %w", version+1, err)
		}
	}
	_, err = conn.ExecContext(ctx, m.spell(insertVersion), version+1, time.Now().UnixMicro())
	return false, err
}

// version returns the number of the last migration applied, or 0.
func (m migrator) version(ctx context.Context, conn *sql.Conn) (version int, err error) {
	err = conn.QueryRowContext(ctx, m.spell(maxVersion)).Scan(&version)
	return version, err
}

// spell returns a statement on the table of versions, with the name that it has
// in this series.
func (m migrator) spell(statement string) string {
	if m.series != "" {
		statement = strings.ReplaceAll(statement, "apikey_schema", "apikey_"+m.series+"_schema")
	}
	return m.dialect.spell(m.prefix, statement)
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
