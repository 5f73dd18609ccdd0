package admin

import (
	"net/http"
	"regexp"
	"strings"
)

// command returns the command that tries a new key.
func (o *office) command(secret, origin string) string {
	return strings.NewReplacer("{key}", secret, "{origin}", origin).Replace(o.opts.Try)
}

// plainHost matches what may be pasted into a shell.
var plainHost = regexp.MustCompile(`^[0-9A-Za-z.:\[\]_-]+$`)

// originOf returns the scheme and host by which the request has reached this
// server, which a proxy may have changed.
func originOf(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if !plainHost.MatchString(host) {
		host = "localhost"
	}
	return scheme + "://" + host
}
