// Package strictjson holds the reading of JSON bodies against a strict reader.
package strictjson

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// verdict is what a reader makes of a body: refused, or the key at its root.
type verdict struct {
	refused bool
	key     string
}

var errNotOne = errors.New("not one string")

// strictly asks jsontext, which refuses invalid JSON and invalid UTF-8. Duplicate
// names other than API_Key are none of the library's business, so they are
// allowed.
func strictly(body []byte) verdict {
	if len(bytes.Trim(body, " \t\r\n")) == 0 {
		return verdict{} // no JSON, and no key
	}
	d := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true))
	key, err := rootKey(d)
	if err == nil {
		_, err = d.ReadToken()
	}
	if !errors.Is(err, io.EOF) {
		return verdict{refused: true}
	}
	return verdict{key: key}
}

// rootKey reads one JSON value and returns the API_Key at its root.
func rootKey(d *jsontext.Decoder) (key string, err error) {
	if d.PeekKind() != '{' {
		return "", d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return "", err
	}
	found := 0
	var mistake error
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return "", err
		}
		if name.String() != "API_Key" {
			if err := d.SkipValue(); err != nil {
				return "", err
			}
			continue
		}
		found++
		switch d.PeekKind() {
		case '"':
			text, err := d.ReadToken()
			if err != nil {
				return "", err
			}
			key = text.String()
		case 'n':
			err = d.SkipValue()
		default:
			mistake, err = errNotOne, d.SkipValue()
		}
		if err != nil {
			return "", err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return "", err
	}
	if found > 1 {
		mistake = errNotOne
	}
	return key, mistake
}

// surrogate begins an escape that may be half of a pair. jsontext refuses halves
// everywhere; the library in the key alone, since the grammar of RFC 8259 allows
// them and the rest of the body is the handler's.
var surrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// FuzzJSONAgainstJSONText: for every body, Check and a strict reader agree on
// whether it is well-formed and what key it holds.
func FuzzJSONAgainstJSONText(f *testing.F) {
	for _, seed := range []string{
		`{"API_Key":"k"}`, `{"a":[1,2.5e-3,{"API_Key":"x"}],"API_Key":"k"}`, `{"API_\u004bey":"k\n"}`, `{"API_Key":null}`,
		`{"API_Key":1}`, `{"API_Key":"a","API_Key":"b"}`, `[]`, `"API_Key"`, `{"API_Key":"k"} x`, "\ufeff{}", "{\"a\":\"\xff\"}",
		`{"a":01}`, `{"a":-}`, `{"a":1.}`, `{,}`, `{"a":"\x"}`, `{"":{}}`, ` `, `nul`, `{"a":1e400}`, "{\"a\":\"\t\"}",
		strings.Repeat("[", 10_001), `{"API_Key":"\ud83d\ude00"}`, `{"API_Key":true,"API_Key":"k"}`,
	} {
		f.Add([]byte(seed))
	}
	auth, err := apikey.New(f.Context(), apikey.NewMemoryStore(), nil)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body []byte) {
		if surrogate.Match(body) || len(body) > 1<<20 {
			t.Skip("stated difference")
		}
		want := strictly(body)
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		_, err := auth.Check(nil, r, apikey.AnyKey())
		switch {
		case want.refused:
			require.ErrorIs(t, err, apikey.ErrMalformedRequest)
		case want.key == "":
			require.ErrorIs(t, err, apikey.ErrNoKey)
		default:
			// Nothing is in the store, so the key is unknown if it is one at all. That
			// it is this key shows when it is.
			require.False(t, errors.Is(err, apikey.ErrMalformedRequest) || errors.Is(err, apikey.ErrNoKey), "%v", err)
			issued, issueErr := auth.IssueCustom(t.Context(), apikey.KeySpec{}, want.key)
			if issueErr != nil {
				require.ErrorIs(t, err, apikey.ErrMalformedKey)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			_, err = auth.Check(nil, r, apikey.AnyKey())
			require.NoError(t, err)
			require.NoError(t, auth.Delete(t.Context(), issued.ID))
		}
	})
}
