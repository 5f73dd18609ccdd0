package admin

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-be062aaa/apikey"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

// cursorOf returns the cursor of the page behind the key with that ID.
func cursorOf(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

// parseList reads the parameters of a list.
func parseList(rawQuery string) (apikey.Query, *problem) {
	query := apikey.Query{Limit: defaultLimit}
	params, p := parseParameters(rawQuery, []string{"limit", "cursor", "q"})
	if p != nil {
		return query, p
	}
	bad := func(name, detail string) (apikey.Query, *problem) {
		return query, &problem{Status: http.StatusBadRequest, Detail: "The parameter " + name + " " + detail + "."}
	}
	if params.Has("limit") {
		limit, err := strconv.Atoi(params.Get("limit"))
		if err != nil || limit < 1 || limit > maxLimit {
			return bad("limit", "must be a number from 1 to "+strconv.Itoa(maxLimit))
		}
		query.Limit = limit
	}
	if params.Has("cursor") {
		after, err := base64.RawURLEncoding.DecodeString(params.Get("cursor"))
		if err != nil || len(after) == 0 || !utf8.Valid(after) || slices.Contains(after, 0) {
			return bad("cursor", "must be the next of another page")
		}
		query.After = string(after)
	}
	query.Search = params.Get("q")
	return query, nil
}

// parseParameters returns a query's parameters, each of them one of the names and
// there once.
func parseParameters(rawQuery string, names []string) (url.Values, *problem) {
	bad := func(detail string) (url.Values, *problem) {
		return nil, &problem{Status: http.StatusBadRequest, Detail: detail}
	}
	params, err := url.ParseQuery(rawQuery)
	if err != nil {
		return bad("The query is malformed.")
	}
	for name, values := range params {
		if !slices.Contains(names, name) {
			return bad("The parameters are " + strings.Join(names, ", ") + ".")
		}
		if len(values) != 1 {
			return bad("The parameter " + name + " may be there once.")
		}
	}
	return params, nil
}

func joined[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, text := range list {
		texts[i] = string(text)
	}
	return strings.Join(texts, ", ")
}
