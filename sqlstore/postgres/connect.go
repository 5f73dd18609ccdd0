package postgres

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	maxConns       = 16
	maxLogConns    = 4
	connLifetime   = time.Minute
	connectTimeout = 5 * time.Second
)

// connect returns a handle of up to so many connections. It makes none yet.
func connect(dsn string, conns int) (*sql.DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, parseError(err)
	}
	if !mentions(dsn, "connect_timeout", "PGCONNECT_TIMEOUT") {
		config.ConnectTimeout = connectTimeout
	}
	if !mentions(dsn, "target_session_attrs", "PGTARGETSESSIONATTRS") {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(connLifetime)
	return db, nil
}

func mentions(dsn, setting, variable string) bool {
	return strings.Contains(dsn, setting) || os.Getenv(variable) != ""
}

// parseFaults are what pgx says of a DSN without quoting it.
var parseFaults = []string{
	"failed to parse as URL", "failed to parse as keyword/value", "failed to read service", "invalid port",
	"could not match", "failed to configure TLS", "invalid connect_timeout", "unknown target_session_attrs value",
	"invalid sslcertmode", "invalid require_auth", "unknown channel_binding value",
}

const wantDSN = "postgres://user:password@host:5432/database?sslmode=verify-full with all but letters and digits of " +
	"the password written as %XX, or host=... user=... password='...' dbname=... separated by spaces"

// parseError drops the text of err. It quotes the DSN or parts of it, and where
// that is malformed any part may belong to the password.
func parseError(err error) error {
	for _, fault := range parseFaults {
		if strings.Contains(err.Error(), fault) {
			return errors.New("postgres: the DSN is not valid: " + fault + "; want " + wantDSN)
		}
	}
	return errors.New("postgres: the DSN is not valid; want " + wantDSN)
}
