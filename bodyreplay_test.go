package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// Buffers go from request to request. What one of them holds is of its own request
// only, whoever still has its body.

// A letter is a body that only one sender writes: all of it is one mark, over and over.
type letter struct {
	kind, sent string
	left       string // when the key is cut
}

// letterOf returns a letter of that many bytes at least, with the key in its middle.
func letterOf(mark, kind, key string, size int) letter {
	half := strings.Repeat(mark, size/2/len(mark)+1)
	if kind == form {
		return letter{kind, "a=" + half + "&key=" + key + "&b=" + half, "a=" + half + "&b=" + half}
	}
	return letter{
		kind, `{"a":"` + half + `","API_Key":"` + key + `","b":"` + half + `"}`,
		`{"a":"` + half + `","b":"` + half + `"}`,
	}
}

func (l letter) request() *http.Request {
	r := httptest.NewRequest("POST", "/", io.NopCloser(strings.NewReader(l.sent)))
	r.ContentLength = int64(len(l.sent))
	r.Header.Set("Content-Type", l.kind)
	return r
}

// readHow are the ways in which handlers read a body.
var readHow = map[string]func(body io.Reader) (string, error){
	"at once": func(body io.Reader) (string, error) {
		b, err := io.ReadAll(body)
		return string(b), err
	},
	"by io.Copy": func(body io.Reader) (string, error) {
		var b strings.Builder
		_, err := io.Copy(&b, body)
		return b.String(), err
	},
	"in pieces": func(body io.Reader) (string, error) {
		b, err := io.ReadAll(iotest.HalfReader(body))
		return string(b), err
	},
	"first a piece, then by io.Copy": func(body io.Reader) (string, error) {
		var b strings.Builder
		if _, err := io.CopyN(&b, body, 10); err != nil {
			return "", err
		}
		_, err := io.Copy(&b, body)
		return b.String(), err
	},
	"none of it": func(io.Reader) (string, error) { return "", nil },
}

// TestNoBodyIsMixedUp: under load everybody reads what they were sent, all of it.
// Some are refused, and read what came with the credential in it.
func TestNoBodyIsMixedUp(t *testing.T) {
	refused := make(chan string, 64)
	auth := newAuthority(t, &apikey.Options{Errors: func(_ http.ResponseWriter, r *http.Request, _ *apikey.Error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		refused <- string(body)
	}})
	issueCustom(t, auth, "good")
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			var want, how string
			guarded := auth.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got, err := readHow[how](r.Body)
				assert.NoError(t, err)
				if how != "none of it" && got != want {
					t.Error("the handler has read what is not its own") // not what: it may be a credential
				}
			}))
			for round := range 100 {
				kind := []string{form, jsonT}[rand.IntN(2)]
				l := letterOf(fmt.Sprintf("<%d.%d>", worker, round), kind, "good", 1<<rand.IntN(15)+rand.IntN(1000))
				want = l.left
				for how = range readHow { // in no order
					guarded.ServeHTTP(httptest.NewRecorder(), l.request())
				}
			}
		})
	}
	group.Go(func() {
		guarded := auth.RequireKey()(http.NotFoundHandler())
		for round := range 200 {
			l := letterOf(fmt.Sprintf("<refused.%d>", round), form, "bad", 1<<rand.IntN(15))
			guarded.ServeHTTP(httptest.NewRecorder(), l.request())
			if <-refused != l.sent {
				t.Error("a refused body is not what was sent")
			}
		}
	})
	group.Wait()
}

// floodOfLetters sends letters of others through the handler, so that buffers that were given
// back are used.
func floodOfLetters(h http.Handler, size int) {
	for i := range 8 {
		h.ServeHTTP(httptest.NewRecorder(), letterOf(fmt.Sprintf("<other.%d>", i), form, "good", size).request())
	}
}

// readsOn reads the body until it fails, and says what it has read and how it failed.
// It makes known when it has begun.
func readsOn(body io.Reader, began chan<- struct{}) (string, error) {
	var got strings.Builder
	p := make([]byte, 3)
	for {
		n, err := body.Read(p)
		got.Write(p[:n])
		if err != nil {
			return got.String(), err
		}
		if began != nil {
			close(began)
			began = nil
		}
	}
}

// TestWhoeverReadsOnAfterTheHandler is told so, and sees nothing but the body. How the
// handler ends does not matter.
func TestWhoeverReadsOnAfterTheHandler(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	for name, end := range map[string]func(){
		"it returns": func() {},
		"it panics":  func() { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			own := letterOf("<own>", form, "good", 60_000)
			for range 20 {
				var group sync.WaitGroup
				over := make(chan struct{})
				guarded := auth.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Own") == "" {
						return
					}
					began := make(chan struct{})
					group.Go(func() {
						got, err := readsOn(r.Body, began)
						assert.True(t, strings.HasPrefix(own.left, got), "it has read what is not its own")
						if got != own.left && !errors.Is(err, http.ErrBodyReadAfterClose) {
							t.Error("not all of it was read, and then:", err)
						}
						<-over
						if _, err = io.Copy(io.Discard, r.Body); !errors.Is(err, http.ErrBodyReadAfterClose) {
							t.Error("after the handler:", err)
						}
						assert.NoError(t, r.Body.Close())
					})
					<-began
					end()
				}))
				func() {
					defer close(over)
					defer func() { _ = recover() }()
					r := own.request()
					r.Header.Set("Own", "1")
					guarded.ServeHTTP(httptest.NewRecorder(), r)
				}()
				floodOfLetters(guarded, 60_000)
				group.Wait()
			}
		})
	}
}

// TestAfterTheHandlerTheBodyIsGone: what was not read by then is not there any more.
func TestAfterTheHandlerTheBodyIsGone(t *testing.T) {
	var kept io.ReadCloser
	keep := func(r *http.Request) {
		kept = r.Body
		_, _ = kept.Read(make([]byte, 5))
	}
	auth := newAuthority(t, &apikey.Options{Errors: func(_ http.ResponseWriter, r *http.Request, _ *apikey.Error) { keep(r) }})
	issueCustom(t, auth, "good")
	guarded := auth.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { keep(r) }))
	for _, key := range []string{"good", "bad"} {
		guarded.ServeHTTP(httptest.NewRecorder(), letterOf("<own>", jsonT, key, 100).request())
		n, err := kept.Read(make([]byte, 100))
		require.Zero(t, n)
		require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	}
}

// TestAHijackerHasReadItsBody: the connection is the handler's, the buffer is not.
func TestAHijackerHasReadItsBody(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	done := make(chan error, 1)
	base := serve(t, auth.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		conn, _, err := w.(http.Hijacker).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		go func() {
			defer conn.Close()
			time.Sleep(20 * time.Millisecond) // until the handler has returned
			_, err := io.ReadAll(r.Body)
			done <- err
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}()
	})))
	l := letterOf("<own>", form, "good", 10_000)
	resp, body := do(t, newRequest(t, "POST", base, l.sent, "Content-Type", form))
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, l.left, body)
	require.ErrorIs(t, <-done, http.ErrBodyReadAfterClose)
}

// TestCheckedBodiesStay: nobody says when the request of a Check is done with.
func TestCheckedBodiesStay(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	l := letterOf("<own>", form, "good", 10_000)
	next, err := auth.Check(nil, l.request(), apikey.AnyKey())
	require.NoError(t, err)
	bad := letterOf("<own>", form, "bad", 10_000)
	refused, err := auth.Check(nil, bad.request(), apikey.AnyKey())
	require.Error(t, err)

	floodOfLetters(auth.RequireKey()(http.NotFoundHandler()), 10_000)
	for range 8 {
		_, _ = auth.Check(nil, letterOf("<other>", form, "good", 10_000).request(), apikey.AnyKey())
	}
	body, err := io.ReadAll(next.Body)
	require.NoError(t, err)
	require.Equal(t, l.left, string(body))
	body, err = io.ReadAll(refused.Body)
	require.NoError(t, err)
	require.Equal(t, bad.sent, string(body))
}

// TestNestedGuardsAndTheBody: an inner guard ends only a body that it has made.
func TestNestedGuardsAndTheBody(t *testing.T) {
	outer, other := newAuthority(t, nil), newAuthority(t, &apikey.Options{
		Sources: []apikey.Source{apikey.FromForm("other")},
	})
	issueCustom(t, outer, "good")
	issueCustom(t, other, "fine")
	l := letterOf("<own>", form, "good&other=fine", 10_000)
	for name, row := range map[string]struct {
		inner func(http.Handler) http.Handler
		left  string
	}{
		"of the same Authority":         {outer.RequireKey(), strings.Replace(l.left, "&b=", "&other=fine&b=", 1)},
		"of another, with its own body": {other.RequireKey(), l.left},
	} {
		t.Run(name, func(t *testing.T) {
			flood := outer.RequireKey()(http.NotFoundHandler())
			half, rest := "", ""
			inside := row.inner(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				p := make([]byte, 5000)
				_, err := io.ReadFull(r.Body, p)
				assert.NoError(t, err)
				half = string(p)
			}))
			guarded := outer.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				inside.ServeHTTP(w, r)
				floodOfLetters(flood, 10_000)
				b, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				rest = string(b)
			}))
			guarded.ServeHTTP(httptest.NewRecorder(), l.request())
			if name == "of the same Authority" {
				require.Equal(t, row.left, half+rest)
				return
			}
			require.Equal(t, row.left[:5000], half)
			require.Empty(t, rest, "the inner guard has read it, as any handler might")
		})
	}
}

// TestATimeLimitInside: the handler runs on after the guard's has returned.
func TestATimeLimitInside(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	l := letterOf("<own>", form, "good", 10_000)
	late, done := make(chan struct{}), make(chan error, 1)
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p := make([]byte, 5000)
		_, err := io.ReadFull(r.Body, p)
		assert.NoError(t, err)
		assert.Equal(t, l.left[:5000], string(p))
		<-late
		n, err := r.Body.Read(p)
		assert.Zero(t, n)
		done <- err
	})
	guarded := auth.RequireKey()(http.TimeoutHandler(slow, 20*time.Millisecond, "too late"))
	w := httptest.NewRecorder()
	guarded.ServeHTTP(w, l.request())
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	floodOfLetters(auth.RequireKey()(http.NotFoundHandler()), 10_000)
	close(late)
	require.ErrorIs(t, <-done, http.ErrBodyReadAfterClose)
}

// TestAProxyPassesBodiesOn: its transport reads in a goroutine of its own, and here
// the server behind it answers before it has read all.
func TestAProxyPassesBodiesOn(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	behind := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := make([]byte, len("a=<00>"))
		_, _ = io.ReadFull(r.Body, p)
		mark := string(p[2:])
		if r.Header.Get("Hasty") == "" {
			rest, err := io.ReadAll(r.Body)
			if whole := string(p) + string(rest); err != nil || strings.Count(whole, mark)*len(mark)+len("a=&b=") != len(whole) {
				t.Error("it is not what was sent")
			}
		}
		_, _ = io.WriteString(w, mark)
	}))
	target, err := url.Parse(behind)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	base := serve(t, auth.RequireKey()(proxy))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for round := range 20 {
				mark := fmt.Sprintf("<%d%d>", i, round%10)
				l := letterOf(mark, form, "good", 100_000)
				header := []string{"Content-Type", form}
				if round%2 == 0 {
					header = append(header, "Hasty", "1")
				}
				_, body := do(t, newRequest(t, "POST", base, l.sent, header...))
				assert.Equal(t, mark, body)
			}
		})
	}
	group.Wait()
}

// A keepingWriter keeps what it is given, which io.Writer forbids.
type keepingWriter struct{ kept []byte }

func (w *keepingWriter) Write(p []byte) (int, error) {
	w.kept = p
	return len(p), nil
}

// TestAWriterThatKeepsABody sees no other one.
func TestAWriterThatKeepsABody(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	l := letterOf("<own>", form, "good", 10_000)
	var w keepingWriter
	guarded := auth.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(&w, r.Body)
		assert.NoError(t, err)
		assert.Equal(t, int64(len(l.left)), n)
	}))
	guarded.ServeHTTP(httptest.NewRecorder(), l.request())
	floodOfLetters(auth.RequireKey()(http.NotFoundHandler()), 10_000)
	require.Equal(t, l.left, string(w.kept))
}

// failingWriter fails after some bytes, or says nothing of having written less.
type failingWriter struct {
	n   int
	err error
}

func (w failingWriter) Write([]byte) (int, error) { return w.n, w.err }

func TestCopyingABodyToAWriterThatFails(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	full := errors.New("the disk is full")
	for want, w := range map[error]failingWriter{full: {3, full}, io.ErrShortWrite: {3, nil}} {
		next, err := auth.Check(nil, letterOf("<own>", form, "good", 100).request(), apikey.AnyKey())
		require.NoError(t, err)
		n, err := io.Copy(w, next.Body)
		require.ErrorIs(t, err, want)
		require.Equal(t, int64(3), n)
	}
}

// TestTheRestOfABody: of one that is too long the beginning was read, and comes first,
// however it is read.
func TestTheRestOfABody(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{MaxBody: 1000})
	l := letterOf("<own>", form, "good", 10_000)
	for how, read := range readHow {
		if how == "none of it" {
			continue
		}
		t.Run(how, func(t *testing.T) {
			r := l.request()
			r.ContentLength = -1
			next, err := auth.Check(nil, r, apikey.AnyKey())
			require.ErrorIs(t, err, apikey.ErrBodyTooLong)
			n, err := next.Body.Read(nil)
			require.NoError(t, err)
			require.Zero(t, n)
			got, err := read(next.Body)
			require.NoError(t, err)
			require.Equal(t, l.sent, got)
		})
	}
}

// A lyingBody says that it has read more than it has.
type lyingBody struct{ io.Reader }

func (b lyingBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		return n, err
	}
	return min(len(p), n+500), nil
}

// TestALyingBodyShowsNothing: what it has not read is not another's body.
func TestALyingBodyShowsNothing(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	got := ""
	guarded := auth.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		got = string(body)
	}))
	for range 20 {
		floodOfLetters(guarded, 900)
		r := letterOf("<own>", form, "good&x=", 100).request()
		r.Body = io.NopCloser(lyingBody{r.Body})
		guarded.ServeHTTP(httptest.NewRecorder(), r)
		require.Contains(t, got, "<own>")
		require.NotContains(t, got, "other")
	}
}

// A lingeringBody gives up after a while, as one with a time limit of its own, and
// leaves somebody behind who writes to what it was given.
type lingeringBody struct {
	given []byte
}

func (b *lingeringBody) Read(p []byte) (int, error) {
	b.given = p
	return 0, context.DeadlineExceeded
}

func (*lingeringBody) Close() error { return nil }

// TestABodyThatFailsKeepsItsBuffer: whoever still writes there writes to nobody's body.
func TestABodyThatFailsKeepsItsBuffer(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	l, bad := letterOf("<own>", form, "good", 500), &lingeringBody{}
	guarded := auth.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		copy(bad.given, strings.Repeat("!", len(bad.given)))
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, l.left, string(body))
	}))
	for range 20 {
		r := l.request()
		r.Body = bad
		guarded.ServeHTTP(httptest.NewRecorder(), r)
		guarded.ServeHTTP(httptest.NewRecorder(), l.request())
	}
}
