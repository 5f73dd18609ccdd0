package sqlstore

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// The statements themselves are tested through the packages of the databases.

func TestSpell(t *testing.T) {
	const statement = "UPDATE apikey_keys SET a = ? WHERE id = ? AND apikey_keys.b < ?"
	plain := &Store{prefix: defaultPrefix}
	assert.Equal(t, statement, plain.spell(statement))
	numbered := &Store{prefix: "host_", dialect: Dialect{Placeholder: func(n int) string { return fmt.Sprint("$", n) }}}
	assert.Equal(t, "UPDATE host_keys SET a = $1 WHERE id = $2 AND host_keys.b < $3", numbered.spell(statement))
}

func TestStatementsNumberAllParameters(t *testing.T) {
	numbered := &Store{prefix: defaultPrefix, dialect: Dialect{
		Placeholder: func(n int) string { return fmt.Sprint("$", n) },
		Contains:    func(column, parameter string) string { return "strpos(" + column + ", " + parameter + ") > 0" },
	}}
	text, args := numbered.list(apikey.Query{After: "k", Search: "Größe", Limit: 7})
	assert.Contains(t, text, "WHERE id < $1 AND (strpos(id, $2) > 0 OR strpos(name, $3) > 0 OR "+
		"strpos(description, $4) > 0 OR strpos(subject, $5) > 0) ORDER BY id DESC LIMIT $6)")
	assert.Equal(t, []any{"k", "größe", "größe", "größe", "größe", 7}, args)
	assert.NotContains(t, fmt.Sprint(numbered.statements()), "?")
}

func TestReadMigrations(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	got, err := readMigrations(fstest.MapFS{
		"0002_b.sql": file("two;\r\n"), "0001_a.sql": file("one;\n"), "README": file("no SQL"),
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"one;\n", "two;\n"}, got)
	for _, names := range [][]string{
		{"0002_b.sql"},
		{"0001_a.sql", "0003_c.sql"},
		{"0001_a.sql", "0001_b.sql"},
		{"1_a.sql"},
		{"0000_a.sql"},
		{"keys.sql"},
	} {
		files := fstest.MapFS{}
		for _, name := range names {
			files[name] = file("")
		}
		_, err := readMigrations(files)
		require.ErrorContains(t, err, "is not named", strings.Join(names, ", "))
	}
}

func TestUpToDate(t *testing.T) {
	done, err := upToDate(1, 2)
	require.NoError(t, err)
	assert.False(t, done)
	done, err = upToDate(2, 2)
	require.NoError(t, err)
	assert.True(t, done)
	_, err = upToDate(3, 2)
	require.ErrorContains(t, err, "no version after 2")
}

// Drivers hand integers over in several types.
func TestInstant(t *testing.T) {
	for _, want := range []time.Time{
		{},
		time.UnixMicro(0).UTC(),
		time.UnixMicro(-1).UTC(),
		time.Date(9999, time.December, 31, 23, 59, 59, 999999000, time.UTC),
	} {
		value, err := instant(want).Value()
		require.NoError(t, err)
		sources := []any{value}
		if value != nil {
			sources = append(sources, fmt.Sprint(value), fmt.Append(nil, value))
		}
		for _, src := range sources {
			got := instant(time.Now())
			require.NoError(t, got.Scan(src))
			assert.Equal(t, want, time.Time(got))
		}
	}
	var got instant
	require.Error(t, got.Scan("2026-03-29"))
}

func TestEncodeRefusesWhatJSONWouldChange(t *testing.T) {
	for _, key := range []*apikey.Key{
		{Permissions: []apikey.Permission{"jobs\xff"}},
		{Metadata: map[string]string{"\xff": ""}},
		{Metadata: map[string]string{"": "\xff"}},
	} {
		_, _, err := encode(key)
		require.ErrorContains(t, err, "not valid UTF-8")
	}
	permissions, metadata, err := encode(&apikey.Key{Metadata: map[string]string{"b": "2", "a": "1"}})
	require.NoError(t, err)
	assert.Equal(t, "[]", permissions)
	assert.JSONEq(t, `{"a":"1","b":"2"}`, metadata)
	assert.Less(t, strings.Index(metadata, "a"), strings.Index(metadata, "b"))
}
