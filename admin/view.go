package admin

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-be062aaa/apikey"
)

//go:embed templates
var templateFiles embed.FS

// A view is what every page shows around its own content.
type view struct {
	Base                string // leads to the prefix, a slash at its end
	Style, Script, Icon string
	Title               string
	Tab                 string // the one that is open: keys, logs or none
	Actor               string // who is signed in
	actorID             string
	KeysTab, LogsTab    bool
	Notice              string // what has just been done
	Content             any
}

// SignedInWith reports whether the reader uses that key to see the page.
func (v view) SignedInWith(keyID string) bool { return v.actorID == "key:"+keyID }

// parseTemplates returns each page's template, within the frame that all share.
func parseTemplates() (map[string]*template.Template, error) {
	frame, err := template.New("frame").Funcs(templateFuncs).
		ParseFS(templateFiles, "templates/frame.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	parsed := map[string]*template.Template{}
	for _, name := range []string{"keys", "form", "key", "secret", "rotate", "confirm", "logs", "entry", "message"} {
		clone, err := frame.Clone()
		if err != nil {
			return nil, err
		}
		if parsed[name], err = clone.ParseFS(templateFiles, "templates/"+name+".html"); err != nil {
			return nil, err
		}
	}
	return parsed, nil
}

var templateFuncs = template.FuncMap{
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"utc":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
	"utcExact": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"bytes":    byteCount,
	"duration": milliseconds,
	"count":    count,
	"parts":    addressParts,
	"pair":     func(first string, second any) pair { return pair{first, second} },
}

// A pair is two arguments for a part that takes one.
type pair struct {
	First  string
	Second any
}

// count returns "1 thing" or "n things".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(int64(n)) + " " + thing + "s"
}

// grouped writes a number with a comma between thousands.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// addressParts cuts a path and query to where a line may end.
func addressParts(address string) (parts []string) {
	start := 0
	for i, c := range address {
		if strings.ContainsRune("/?&", c) && i > start {
			parts = append(parts, address[start:i])
			start = i
		}
	}
	return append(parts, address[start:])
}

func byteCount(n int64) string {
	if n < 0 {
		return "unknown"
	}
	if n == 1 {
		return "1 byte"
	}
	return grouped(n) + " bytes"
}

// milliseconds writes a duration so that a column of them can be compared.
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return strconv.FormatFloat(ms, 'f', 2, 64) + " ms"
	}
	return grouped(int64(ms+0.5)) + " ms"
}

// show answers with a page.
func (p *page) show(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Base = placeOf(r.Context()).base
	v.Style, v.Script, v.Icon = p.files.style, p.files.script, p.files.icon
	if actor, ok := apikey.ActorFromContext(r.Context()); ok {
		v.Actor, v.actorID = cmp.Or(actor.Name, actor.ID), actor.ID
		v.KeysTab = p.holds(actor, apikey.KeysManage)
		v.LogsTab = p.log && p.holds(actor, apikey.LogsView)
	}
	var body bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&body, "frame", v); err != nil {
		p.opts.Logger.ErrorContext(r.Context(), "admin: a page could not be made", "page", name, "error", err)
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// holds reports whether the actor has the permission, as the Authority would say.
func (o *office) holds(actor apikey.Actor, need apikey.Permission) bool {
	return o.auth.Catalog().Grants(actor.Permissions, need)
}

// A message is a page that says one thing.
type message struct {
	Status int
	Text   string
	Back   bool   // offer the way to the list of keys
	Key    string // the path of a key's page to offer, or empty
	// LogsToo offers the way to the access log, which needs something else.
	LogsToo bool
}

// Title is the message's heading.
func (m message) Title() string {
	switch m.Status {
	case http.StatusUnauthorized:
		return "Sign in with an API key"
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusNotImplemented:
		return "No access log"
	case http.StatusServiceUnavailable:
		return "Not available at the moment"
	}
	return cmp.Or(capital(strings.ToLower(http.StatusText(m.Status))), "Error "+strconv.Itoa(m.Status))
}

// SignIn reports whether to offer a way to be asked for a key once more.
func (m message) SignIn() bool { return m.Status == http.StatusUnauthorized }

func (p *page) say(w http.ResponseWriter, r *http.Request, m message) {
	p.show(w, r, m.Status, "message", view{Title: m.Title(), Content: m})
}

// fail answers what a call of the Authority has returned, on a page without a form.
func (p *page) fail(w http.ResponseWriter, r *http.Request, err error) {
	told := p.explainTo(r.Context(), err)
	p.say(w, r, message{Status: told.Status, Text: told.Detail, Back: true})
}

// explainTo is explain for the one who reads the page, who is the actor.
func (p *page) explainTo(ctx context.Context, err error) *problem {
	told := p.explain(ctx, err)
	if errors.Is(err, apikey.ErrNotDelegated) {
		told.Detail = asReader.Replace(told.Detail)
	}
	return told
}

var asReader = strings.NewReplacer(
	"Not allowed to this actor", "You are not allowed to do this",
	"the actor does not hold", "you do not hold",
)

// seeOther sends the browser to another page, from the prefix on. Reloading that
// does nothing again.
func (p *page) seeOther(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Location", placeOf(r.Context()).base+to)
	w.WriteHeader(http.StatusSeeOther)
}

// done are the notices that a page may show after a redirection.
var done = map[string]string{
	"saved":    "Saved.",
	"enabled":  "The key is enabled.",
	"disabled": "The key is disabled. Requests with it are refused until you enable it again.",
	"revoked":  "The key is revoked, for good.",
	"deleted":  "The key is deleted.",
}

func notice(r *http.Request) string { return done[r.URL.Query().Get("done")] }

// sentenceOf makes a field's problem a sentence of its own.
func sentenceOf(detail string) string { return capital(detail) + "." }

// capital returns the text with its first letter in upper case.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return text
	}
	return string(unicode.ToUpper(first)) + text[size:]
}
