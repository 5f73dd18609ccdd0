package admin

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"

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
	bad := func(detail string) (apikey.Query, *problem) {
		return query, &problem{Status: http.StatusBadRequest, Detail: detail}
	}
	params, err := url.ParseQuery(rawQuery)
	if err != nil {
		return bad("The query is malformed.")
	}
	for name, values := range params {
		if len(values) != 1 {
			return bad("A parameter may be there once.")
		}
		switch name {
		case "limit":
			query.Limit, err = strconv.Atoi(values[0])
			if err != nil || query.Limit < 1 || query.Limit > maxLimit {
				return bad("The parameter limit must be a number from 1 to " + strconv.Itoa(maxLimit) + ".")
			}
		case "cursor":
			after, err := base64.RawURLEncoding.DecodeString(values[0])
			if err != nil || len(after) == 0 {
				return bad("The parameter cursor must be the next of another page.")
			}
			query.After = string(after)
		case "q":
			query.Search = values[0]
		default:
			return bad("The parameters are limit, cursor and q.")
		}
	}
	return query, nil
}
