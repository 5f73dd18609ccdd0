package apikey_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// verbs are all that package fmt knows, and one that it does not.
var verbs = []string{"v", "+v", "#v", "s", "q", "+q", "#q", "x", "X", "#x", "# x", "d", "b", "o", "O", "c", "U", "#U", "t", "e", "g", "20v", "-20.3s", "Z"}

// writtenAs returns how bytes look in whatever a printer makes of them. The first
// eight give them away already.
func writtenAs(text string) []string {
	start := []byte(text[:8])
	decimal := strings.Trim(fmt.Sprintf("%d", start), "[]")
	forms := []string{
		text, text[:8],
		hex.EncodeToString(start), strings.ToUpper(hex.EncodeToString(start)),
		fmt.Sprintf("% x", start), fmt.Sprintf("% X", start),
		strings.Trim(fmt.Sprintf("%#v", start), "[]byte{}"), // 0x61, 0x70
		strings.ReplaceAll(decimal, " ", ","),
		strings.ReplaceAll(decimal, " ", ", "),
		base64.StdEncoding.EncodeToString(start[:6]), base64.URLEncoding.EncodeToString(start[:6]),
	}
	for _, verb := range verbs {
		if strings.ContainsAny(verb, "023") {
			continue // cut or filled, of which too little is left to search for
		}
		list := fmt.Sprintf("%"+verb, [8]byte(start)) // such as [97 112 105]
		forms = append(forms, strings.Trim(list, "[]"))
	}
	return forms
}

// requireNoTrace fails if output holds text in any form.
func requireNoTrace(t testing.TB, output, text string, args ...any) {
	t.Helper()
	for _, form := range writtenAs(text) {
		require.NotContains(t, output, form, args...)
	}
}

// holder holds a value in every way in which a struct can.
type holder[T any] struct {
	Field   T
	Pointer *T
	Slice   []T
	Array   [1]T
	Map     map[string]T `xml:"-"` // encoding/xml knows no maps
	Any     any
	Nested  struct{ Field T }

	field   T
	pointer *T
	slice   []T
	array   [1]T
	mapped  map[string]T
	any     any
	nested  struct{ Field T }
}

func hold[T any](value T) holder[T] {
	return holder[T]{
		Field: value, Pointer: &value, Slice: []T{value}, Array: [1]T{value}, Map: map[string]T{"a": value}, Any: value, Nested: struct{ Field T }{value},
		field: value, pointer: &value, slice: []T{value}, array: [1]T{value}, mapped: map[string]T{"a": value}, any: value, nested: struct{ Field T }{value},
	}
}

// exported holds a value where package fmt calls its methods.
type exported[T any] struct {
	Field T
	Slice []T
	Map   map[string]T `xml:"-"`
	Any   any
}

func export[T any](value T) exported[T] {
	return exported[T]{value, []T{value}, map[string]T{"a": value}, value}
}

// Formats that vet would refuse.
var (
	noVerb    = "no verb"
	misplaced = "%p %w %*d %[9]d %!"
)

// printers turn a value into text in the ways in which values end up in logs.
func printers() map[string]func(any) string {
	all := map[string]func(any) string{
		"Sprint":   func(v any) string { return fmt.Sprint(v) },
		"Sprintln": func(v any) string { return fmt.Sprintln(v) },
		"EXTRA":    func(v any) string { return fmt.Sprintf(noVerb, v) },
		"%T":       func(v any) string { return fmt.Sprintf("%T", v) },
		"Errorf":   func(v any) string { return fmt.Errorf("it is %v", v).Error() },
		"slog text": func(v any) string {
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v, slog.Group("g", "v", v))
			return b.String()
		},
		"slog JSON": func(v any) string {
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v, slog.Group("g", "v", v))
			return b.String()
		},
		"JSON": func(v any) string { b, err := json.Marshal(v); return fmt.Sprintf("%s %v", b, err) },
		"XML":  func(v any) string { b, err := xml.Marshal(v); return fmt.Sprintf("%s %v", b, err) },
		"template": func(v any) string {
			var b bytes.Buffer
			err := template.Must(template.New("").Parse("{{.}}<script>{{.}}</script>")).Execute(&b, v)
			return fmt.Sprint(b.String(), err)
		},
	}
	for _, verb := range verbs {
		all["%"+verb] = func(v any) string { return fmt.Sprintf("%"+verb, v) }
	}
	return all
}

// failedAssertions collects what failing assertions print. testify walks values
// by reflection there, through pointers and unexported fields, and calls no
// methods.
type failedAssertions struct{ strings.Builder }

func (f *failedAssertions) Errorf(format string, args ...any) { _, _ = fmt.Fprintf(f, format, args...) }

func messagesOfFailing(value, other any) string {
	var f failedAssertions
	assert.Equal(&f, value, other)
	assert.Equal(&f, &value, &other)
	assert.EqualValues(&f, value, other)
	assert.Nil(&f, value)
	assert.Empty(&f, value)
	assert.IsType(&f, 0, value)
	assert.ElementsMatch(&f, []any{value}, []any{other})
	assert.Contains(&f, []any{other}, value)
	assert.Subset(&f, []any{other}, []any{value})
	assert.Len(&f, []any{value}, 2)
	assert.Same(&f, &value, &other)
	return f.String()
}

const secretText = "apik_Th1s-must-be-seen-nowhere/0123456789"

func TestSecretRevealsItsTextAndNothingElseDoes(t *testing.T) {
	secret := apikey.NewSecret(secretText)
	assert.Equal(t, secretText, secret.Reveal())
	assert.False(t, secret.IsZero())
	assert.True(t, apikey.Secret{}.IsZero(), "the zero value holds nothing")
	assert.Empty(t, apikey.Secret{}.Reveal())
	assert.True(t, apikey.NewSecret("").IsZero())

	assert.Equal(t, "[redacted]", secret.String())
	assert.Equal(t, "[redacted]", fmt.Sprint([]any{secret}...))
	assert.Equal(t, "[redacted]", fmt.Sprintf("%+v", &secret))
	body, err := json.Marshal(secret)
	require.NoError(t, err)
	assert.Equal(t, `"[redacted]"`, string(body))
	body, err = xml.Marshal(secret)
	require.NoError(t, err)
	assert.Equal(t, "<Secret>[redacted]</Secret>", string(body))
}

func TestSecretNeverPrints(t *testing.T) {
	secret := apikey.NewSecret(secretText)
	for name, show := range printers() {
		for _, value := range []any{secret, &secret, []apikey.Secret{secret}, map[string]apikey.Secret{"a": secret}, hold(secret)} {
			requireNoTrace(t, show(value), secretText, "%s of %T", name, value)
		}
	}
	requireNoTrace(t, fmt.Sprintf(misplaced, secret, secret, secret, 1, secret), secretText)
}

func TestSecretNeverPrintsInAFailingAssertion(t *testing.T) {
	secret := apikey.NewSecret(secretText)
	message := messagesOfFailing(hold(secret), hold(apikey.NewSecret("other")))
	require.Contains(t, message, "Secret", "the assertions failed and printed the struct")
	requireNoTrace(t, message, secretText)
	requireNoTrace(t, messagesOfFailing(secret, &secret), secretText)
}

func TestSecretIsRefusedByGob(t *testing.T) {
	var b bytes.Buffer
	for _, value := range []any{apikey.NewSecret(secretText), struct {
		Number int
		Secret apikey.Secret
	}{1, apikey.NewSecret(secretText)}} {
		require.Error(t, gob.NewEncoder(&b).Encode(value))
	}
	requireNoTrace(t, b.String(), secretText)
}

func TestPepperNeverPrints(t *testing.T) {
	const bytesOfIt = "0pepper1pepper2pepper3pepper4pep"
	pepper := apikey.NewPepper([]byte(bytesOfIt))
	opts := apikey.Options{Peppers: []apikey.Pepper{pepper}}
	auth := newAuthority(t, &opts)
	issueCustom(t, auth, "a key, so that the pepper was used", apikey.Native)
	for name, show := range printers() {
		for _, value := range []any{pepper, &pepper, hold(pepper), opts.Peppers, auth} {
			requireNoTrace(t, show(value), bytesOfIt, "%s of %T", name, value)
		}
	}
	message := messagesOfFailing(hold(pepper), auth)
	require.Contains(t, message, "Pepper")
	requireNoTrace(t, message, bytesOfIt)
	requireNoTrace(t, fmt.Sprintf(misplaced, pepper, pepper, pepper, 1, pepper), bytesOfIt)

	var b bytes.Buffer
	require.Error(t, gob.NewEncoder(&b).Encode(pepper))
	_, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Peppers: []apikey.Pepper{apikey.NewPepper([]byte("too-short-pepper")[:9])}})
	require.ErrorContains(t, err, "a pepper of 9 bytes", "the length is told, and not the bytes")
	assert.NotContains(t, err.Error(), "too-short")
}

// A Digest redacts itself wherever a printer calls methods. Package fmt calls
// none in unexported fields and for verbs that do not fit a pointer on the way,
// nor does testify anywhere: those print the bytes.
func TestDigestRedactsItselfWhereItsMethodsAreCalled(t *testing.T) {
	digest := apikey.DigestOf(secretText)
	require.Equal(t, "[redacted]", digest.String())
	for name, show := range printers() {
		for _, value := range []any{
			digest, &digest, export(digest), export(&digest),
			apikey.Credential{Digest: digest},
			&apikey.Credential{Digest: digest}, export(apikey.Credential{Digest: digest}),
			apikey.Key{Credentials: []apikey.Credential{{Digest: digest}}},
			&apikey.Key{Credentials: []apikey.Credential{{Digest: digest}}},
			apikey.Use{From: digest, To: digest},
			[]apikey.Use{{From: digest, To: digest}},
		} {
			requireNoTrace(t, show(value), string(digest[:]), "%s of %T", name, value)
		}
	}
}

// Whatever a handler prints of its request, a weak key's digest is not in it.
func TestKeysOfRequestsCarryNoDigest(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, secretText, apikey.Native)
	digest := apikey.DigestOf(secretText)

	key, err := auth.Authenticate(t.Context(), secretText)
	require.NoError(t, err)
	require.Empty(t, key.Credentials)

	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("X-ApiKey", secretText)
	next, err := auth.Check(nil, req, apikey.AnyKey())
	require.NoError(t, err)
	fromContext, ok := apikey.FromContext(next.Context())
	require.True(t, ok)
	require.Empty(t, fromContext.Credentials)

	rows := map[string]any{
		"the key from Authenticate": hold(*key),
		"the key from FromContext":  hold(fromContext),
		"the request":               next,
		"its context":               next.Context(),
		"a struct with the context": hold(next.Context()),
	}
	for name, value := range rows {
		t.Run(name, func(t *testing.T) {
			for how, show := range printers() {
				output := show(value)
				requireNoTrace(t, output, secretText, how)
				requireNoTrace(t, output, string(digest[:]), how)
			}
		})
	}
	requireNoTrace(t, messagesOfFailing(hold(*key), hold(fromContext)), string(digest[:]))
}

func TestKeyAsJSONHoldsNoTraceOfItsText(t *testing.T) {
	auth := newAuthority(t, nil)
	key, secret, err := auth.Issue(t.Context(), apikey.KeySpec{Name: "nightly", Permissions: []apikey.Permission{apikey.JobsView}})
	require.NoError(t, err)
	digest := apikey.DigestOf(secret.Reveal())
	for _, value := range []any{key, *key, []apikey.Key{*key}, hold(*key)} {
		body, err := json.Marshal(value)
		require.NoError(t, err)
		assert.Contains(t, string(body), "nightly")
		assert.NotContains(t, string(body), key.Credentials[0].Hint)
		assert.NotContains(t, strings.ToLower(string(body)), "credential")
		requireNoTrace(t, string(body), string(digest[:]))
		requireNoTrace(t, string(body), secret.Reveal())
	}
}

// Errors and panics end up in logs as they are.
func TestErrorsAboutATextDoNotHoldIt(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, secretText)
	ctx := t.Context()
	_, inUse := auth.IssueCustom(ctx, apikey.KeySpec{}, secretText)
	_, illegal := auth.IssueCustom(ctx, apikey.KeySpec{}, secretText+"\n")
	_, unknown := auth.Authenticate(ctx, secretText+"2")
	_, malformed := auth.Authenticate(ctx, secretText+"\x00")
	for _, err := range []error{inUse, illegal, unknown, malformed} {
		require.Error(t, err)
		for _, verb := range verbs {
			requireNoTrace(t, fmt.Sprintf("%"+verb, err), secretText)
		}
	}
}

// Assertions and debuggers print by reflection, which follows every pointer, also into
// fields that are not exported.
func TestReflectionFindsNoKeyInWhatAHandlerGets(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	_, err := log.IssueCustom(t.Context(), apikey.KeySpec{Permissions: perms{apikey.Native}}, secretText)
	require.NoError(t, err)
	log.With(apikey.Overrides{EndWithKey: true}) // for which each request's context has the text
	handler := log.Require(apikey.Native)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next, err := log.Check(w, r, apikey.AllOf(apikey.Native))
		assert.NoError(t, err)
		for _, got := range []any{w, r, next, r.Context()} {
			(&tracing{t: t, seen: map[uintptr]bool{}}).walk(reflect.ValueOf(got), "")
		}
	}))
	for range 3 { // entries of those before wait in the log
		ask(handler, withKey("GET", "/", secretText))
		ask(handler, httptest.NewRequest("GET", "/?a=1&key="+secretText, http.NoBody))
		ask(handler, withKey("GET", "/?key=another+text", secretText))
		body := readerFunc(strings.NewReader(`{"API_Key":"` + secretText + `"}`).Read)
		require.Equal(t, 200, ask(handler, posting(jsonT, body)).Code)
	}
}

// A readerFunc holds nothing that reflection could find.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// tracing looks for secretText in all that reflection leads to.
type tracing struct {
	t    *testing.T
	seen map[uintptr]bool
}

func (x *tracing) walk(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		assert.NotContains(x.t, v.String(), secretText, path)
	case reflect.Pointer:
		if v.IsNil() || x.seen[v.Pointer()] {
			return
		}
		x.seen[v.Pointer()] = true
		x.walk(v.Elem(), path)
	case reflect.Interface:
		x.walk(v.Elem(), path)
	case reflect.Struct:
		for i := range v.NumField() {
			x.walk(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
			assert.NotContains(x.t, string(v.Bytes()), secretText, path)
			return
		}
		for i := range v.Len() {
			x.walk(v.Index(i), path+"[]")
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			x.walk(key, path+"[key]")
			x.walk(v.MapIndex(key), path+"[]")
		}
	default:
	}
}

func TestGuardedHandlerSeesNoTraceOfTheKeyByDefault(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, secretText, apikey.Native)
	var dump string
	handler := auth.Require(apikey.Native)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		dump = fmt.Sprintf("%+v %#v %s %v", r, r, body, r.Context())
	}))
	for _, body := range []string{"", `{"API_Key":"` + secretText + `"}`} {
		dump = ""
		req := httptest.NewRequest("POST", "/?a=1", strings.NewReader(body)).WithContext(context.WithValue(t.Context(), verbs[0], 1)) //nolint:staticcheck,revive // any context
		req.Header.Set("Content-Type", jsonT)
		if body == "" {
			req.Header.Set("X-ApiKey", secretText)
		}
		handler.ServeHTTP(httptest.NewRecorder(), req)
		require.NotEmpty(t, dump)
		requireNoTrace(t, dump, secretText)
	}
}
