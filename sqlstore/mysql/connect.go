package mysql

import (
	"cmp"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	maxConns       = 16
	maxLogConns    = 4
	connLifetime   = time.Minute
	connectTimeout = 5 * time.Second
)

// connect returns a handle of up to so many connections. It makes none yet.
func connect(dsn string, conns int) (*sql.DB, error) {
	config, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	if config.DBName == "" {
		return nil, errors.New("mysql: the DSN names no database")
	}
	if config.Net != "tcp" && config.Net != "unix" {
		return nil, errors.New("mysql: the DSN is of a network other than tcp and unix, for which New takes a handle")
	}
	if config.Timeout == 0 {
		config.Timeout = connectTimeout
	}
	if _, set := config.Params["idle_transaction_timeout"]; !set {
		// MySQL has nothing like it, and takes the rest for a comment.
		if config.Params == nil {
			config.Params = map[string]string{}
		}
		config.Params["@apikey"] = "1 /*M!100300 , SESSION idle_transaction_timeout = 5 */"
	}
	config.Logger = &mysql.NopLogger{} // what it would print to stderr comes as an error too
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, parseError(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(connLifetime)
	return db, nil
}

func parse(dsn string) (*mysql.Config, error) {
	if strings.HasPrefix(dsn, "mysql://") || strings.HasPrefix(dsn, "mariadb://") {
		var err error
		if dsn, err = fromURL(dsn); err != nil {
			return nil, err
		}
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, parseError(err)
	}
	return config, nil
}

// fromURL returns the DSN that says the same as a URL.
func fromURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("mysql: the DSN is no valid URL; want " + wantURL)
	}
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net = "tcp"
	config.Addr = net.JoinHostPort(cmp.Or(u.Hostname(), "127.0.0.1"), cmp.Or(u.Port(), "3306"))
	config.DBName = strings.TrimPrefix(u.Path, "/")
	if strings.Contains(config.User, ":") {
		return "", errors.New("mysql: the user in the DSN has a colon, which the driver takes for the password's begin")
	}
	dsn := config.FormatDSN()
	if u.RawQuery == "" {
		return dsn, nil
	}
	separator := "?"
	if strings.Contains(dsn[strings.LastIndex(dsn, "/"):], "?") {
		separator = "&"
	}
	return dsn + separator + u.RawQuery, nil
}

const (
	wantURL = "mysql://user:password@host:3306/database?tls=true with all but letters and digits of the password " +
		"written as %XX"
	wantDSN = "user:password@tcp(host:3306)/database?tls=true"
)

// parseFaults are what the driver says of a DSN without quoting it.
var parseFaults = []string{
	"did you forget to escape a param value?", "network address not terminated",
	"missing the slash separating the database name", "invalid dbname", "invalid bool value", "invalid duration",
	"unknown config name", "unknown server pub key name",
}

// parseError drops the text of err. It may quote parts of the DSN, and where that
// is malformed any part may belong to the password.
func parseError(err error) error {
	for _, fault := range parseFaults {
		if strings.Contains(err.Error(), fault) {
			return errors.New("mysql: the DSN is not valid: " + fault + "; want " + wantURL + ", or " + wantDSN)
		}
	}
	return errors.New("mysql: the DSN is not valid; want " + wantURL + ", or " + wantDSN)
}
