package page

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var errBroken = errors.New("the table cannot be made")

func tables(marker string) (table string, ok bool, err error) {
	switch marker {
	case "known":
		return "| new |\n", true, nil
	case "empty":
		return "", true, nil
	case "broken":
		return "", true, errBroken
	}
	return "", false, nil
}

func TestFill(t *testing.T) {
	for _, row := range []struct{ name, text, want, problem string }{
		{"a table", "a\n<!-- x known -->\nold\n<!-- end -->\nb\n", "a\n<!-- x known -->\n| new |\n<!-- end -->\nb\n", ""},
		{"a table that is not there yet", "<!-- x known -->\n<!-- end -->", "<!-- x known -->\n| new |\n<!-- end -->", ""},
		{"nothing to show", "<!-- x empty -->\nold\n<!-- end -->", "<!-- x empty -->\nold\n<!-- end -->", ""},
		{"another program's", "<!-- y known -->\nold\n<!-- end -->", "<!-- y known -->\nold\n<!-- end -->", ""},
		{"a marker of no table", "<!-- x other -->\nold\n<!-- end -->", "", "markers of no table: other"},
		{"a table that cannot be made", "<!-- x broken -->\nold\n<!-- end -->", "", errBroken.Error()},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "page.md")
			require.NoError(t, os.WriteFile(file, []byte(row.text), 0o600))
			err := Update(file, "x", tables)
			want := row.want
			if row.problem != "" {
				require.ErrorContains(t, err, row.problem)
				want = row.text // it is left alone
			} else {
				require.NoError(t, err)
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, want, string(text))
		})
	}
}
