package mysql

import (
	"net/url"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestErrorsNeverQuoteTheDSN(t *testing.T) {
	database.TestErrorsQuoteNoSecret(t, []string{
		"u:hunter/horse@tcp(127.0.0.1:1)",
		"u:hunter@horse(127.0.0.1:1)/db",
		"u:hunter",
		"u:hunter/horse",
		"hunter/horse",
		"u:hunter@tcp(127.0.0.1:1/db",
		"u:hunter@tcp(127.0.0.1:1)horse/db",
		"u:@/db?timeout=hunter@tcp(127.0.0.1:1)",
		"u:a@/db%zzhunter",
		"u:a@/db?parseTime=hunter",
		"u:a@/db?tls=hunter",
		"u:a@/db?serverPubKey=hunter",
		"u:a@/db?loc=hunter",
		"mysql://u:hunter%zzhorse@127.0.0.1:1/db",
		"mysql://u:hunter/horse@127.0.0.1:1/db",
		"mysql://u:hunter?timeout=staple@127.0.0.1:1/db",
		"mysql://u:hunter#horse@127.0.0.1:1/db",
		"mysql://u:hunter@horse:staple@127.0.0.1:1/db",
		"mysql://u:hunter[horse@127.0.0.1:1/db",
		"mariadb://u:hunter horse@127.0.0.1:1/db",
		"mysql://u:hunter@127.0.0.1:1/",
		"mysql://u%3Ahunter:horse@127.0.0.1:1/db",
		"hunter",
		"",
		"mysql://u:hunter@127.0.0.1:1/db", // good ones, but nobody listens
		"u:hunter@tcp(127.0.0.1:1)/db",
	})
}

func TestErrorsSayWhatIsWrongWithTheDSN(t *testing.T) {
	for dsn, says := range map[string]string{
		"u:p@tcp(127.0.0.1:3306)":               "missing the slash",
		"u:p@tcp(127.0.0.1:3306)/":              "names no database",
		"mysql://u@127.0.0.1:3306":              "names no database",
		"mysql://u:p%zz@127.0.0.1:3306/db":      "no valid URL",
		"mysql://u@127.0.0.1:3306/db?tls=maybe": "unknown config name",
		"u@/db?timeout=long":                    "invalid duration",
		"mysql://u@127.0.0.1:1/db":              "connect",
	} {
		_, err := Open(t.Context(), dsn, nil)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "mysql: ")
	}
}

// A URL says the same as the driver's form does.
func TestURLs(t *testing.T) {
	const password = `p@ss/w:ord?%#[ü ]\'"&=+`
	for _, row := range []struct {
		url  string
		want func(*mysql.Config)
	}{
		{"mysql:///db", func(*mysql.Config) {}},
		{"mariadb://h/db", func(c *mysql.Config) { c.Addr = "h:3306" }},
		{"mysql://u@h:1/db", func(c *mysql.Config) { c.User, c.Addr = "u", "h:1" }},
		{"mysql://u@[::1]:1/db", func(c *mysql.Config) { c.User, c.Addr = "u", "[::1]:1" }},
		{"mysql://u:" + url.QueryEscape("p") + "@h/d%2Fb", func(c *mysql.Config) {
			c.User, c.Passwd, c.Addr, c.DBName = "u", "p", "h:3306", "d/b"
		}},
		{"mysql://u%40h:" + url.PathEscape(password) + "@h/db", func(c *mysql.Config) {
			c.User, c.Passwd, c.Addr = "u@h", password, "h:3306"
		}},
		{"mysql://h/db?timeout=3s&tls=skip-verify&sql_mode=%27ANSI%27", func(c *mysql.Config) {
			c.Addr, c.Timeout, c.TLSConfig, c.Params = "h:3306", 3*time.Second, "skip-verify", map[string]string{"sql_mode": "'ANSI'"}
		}},
	} {
		want := mysql.NewConfig()
		want.Net, want.Addr, want.DBName = "tcp", "127.0.0.1:3306", "db"
		row.want(want)
		got, err := parse(row.url)
		require.NoError(t, err, row.url)
		assert.Equal(t, want.FormatDSN(), got.FormatDSN())
		assert.Equal(t, want.Passwd, got.Passwd)
	}
}

func TestOpenByURL(t *testing.T) {
	config, err := mysql.ParseDSN(newDatabase(t))
	require.NoError(t, err)
	u := url.URL{Scheme: "mysql", User: url.UserPassword(config.User, config.Passwd), Host: config.Addr, Path: config.DBName}
	openStore(t, u.String())
}

func TestOpenHeedsItsContext(t *testing.T) {
	database.TestOpenHeedsItsContext(t, func(addr string) string { return "u@tcp(" + addr + ")/db" })
}
