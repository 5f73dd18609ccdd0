package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/seed-be062aaa/apikey"
)

func etagOf(key *apikey.Key) string { return `"` + strconv.FormatInt(key.Version, 10) + `"` }

// checkIfMatch demands that the client has seen the key as it is (RFC 9110,
// section 13.1.1, and RFC 6585). "*" matches no version, since it would overwrite
// changes that the client never saw.
func checkIfMatch(lines []string, key *apikey.Key) *problem {
	if len(lines) == 0 {
		return &problem{
			Status: http.StatusPreconditionRequired,
			Detail: "Send If-Match with the ETag of the key as you read it.",
		}
	}
	for tag := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if strings.TrimSpace(tag) == etagOf(key) {
			return nil
		}
	}
	return &problem{
		Status: http.StatusPreconditionFailed,
		Detail: "The key has changed since you read it, or If-Match is not an ETag of it. Read it again.",
	}
}

// unchanged returns what makes a call act only on the key as the client has read it,
// if the client sent If-Match, which only a patch must. Where the key is not as it was
// then, it answers, and ok is false.
func (a *api) unchanged(w http.ResponseWriter, r *http.Request) (only []apikey.Precondition, ok bool) {
	lines := r.Header["If-Match"]
	if len(lines) == 0 {
		return nil, true
	}
	key, err := a.auth.Key(r.Context(), idOf(r))
	if err != nil {
		a.writeError(w, r, err)
		return nil, false
	}
	if p := checkIfMatch(lines, key); p != nil {
		writeProblem(w, p)
		return nil, false
	}
	return []apikey.Precondition{apikey.IfVersion(key.Version)}, true
}
