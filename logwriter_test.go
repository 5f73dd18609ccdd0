package apikey_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// What others assert of a response writer holds of ours exactly where it holds of
// the one below, and reaches it.
func TestTheWriterCanDoWhatTheOneBelowCan(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	log.withLevel(t, apikey.LogBoth, loggingKey)
	calls := []struct {
		needs int
		name  string
		call  func(w http.ResponseWriter)
	}{
		{flushes, "Flush", func(w http.ResponseWriter) { w.(http.Flusher).Flush() }},
		{hijacks, "Hijack", func(w http.ResponseWriter) { _, _, _ = w.(http.Hijacker).Hijack() }},
		{readsFrom, "ReadFrom", func(w http.ResponseWriter) { _, _ = w.(io.ReaderFrom).ReadFrom(bytes.NewReader(make([]byte, 100_000))) }},
		{writesStrings, "WriteString", func(w http.ResponseWriter) { _, _ = w.(io.StringWriter).WriteString("") }},
		{pushes, "Push", func(w http.ResponseWriter) { _ = w.(http.Pusher).Push("/", nil) }},
		{notifiesOfClose, "CloseNotify", func(w http.ResponseWriter) { w.(closeNotifier).CloseNotify() }},
		{0, "Write", func(w http.ResponseWriter) { _, _ = w.Write(nil) }},
		{0, "WriteHeader", func(w http.ResponseWriter) { w.WriteHeader(200) }},
	}
	for can := 0; can <= allAbilities; can++ {
		for _, key := range []string{goodKey, loggingKey} {
			below := &ableWriter{nullWriter: nullWriter{header: http.Header{}}}
			given := writerWith(below, can)
			require.Equal(t, can, abilities(given), "the test's own writer")
			handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				assert.Equal(t, can, abilities(w))
				assert.Equal(t, given, w.(interface{ Unwrap() http.ResponseWriter }).Unwrap())
				for _, c := range calls {
					if c.needs&can == c.needs {
						below.calls = nil
						c.call(w)
						assert.Contains(t, below.calls, c.name, "%06b", can)
					}
				}
			})
			log.RequireKey()(handler).ServeHTTP(given, withKey("GET", "/", key))
			log.Record()(handler).ServeHTTP(given, withKey("GET", "/", key))
			// Refusals are answered through such a writer too.
			log.With(apikey.Overrides{Errors: func(w http.ResponseWriter, r *http.Request, _ *apikey.Error) {
				handler.ServeHTTP(w, r)
			}}).Require(apikey.Native)(handler).ServeHTTP(given, withKey("GET", "/", key))
		}
	}
	log.requests(t, 64*2*3)
}

// The same of the writers of net/http itself, whatever they can do in this
// version of Go.
func TestTheWriterCanDoWhatTheServersCan(t *testing.T) {
	for major := 1; major <= 2; major++ {
		t.Run(fmt.Sprintf("HTTP/%d", major), func(t *testing.T) {
			var got []int
			inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got = append(got, abilities(w)) })
			log := newLogged(t, apikey.Options{})
			log.withLevel(t, apikey.LogBoth, loggingKey)
			for _, handler := range []http.Handler{inner, log.RequireKey()(inner), log.Record()(log.RequireKey()(inner))} {
				s := serveLogged(t, log, handler, major)
				resp, err := s.client.Do(newRequest(t, "GET", s.url, "", "X-ApiKey", loggingKey))
				require.NoError(t, err)
				resp.Body.Close()
			}
			require.Len(t, got, 3)
			assert.Equal(t, got[0], got[1])
			assert.Equal(t, got[0], got[2])
		})
	}
}

// A writer that others have wrapped, and that says so, keeps all that is below.
func TestTheWriterStandsInAChain(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(unwrapper{w}, r) })
	}
	s := serveLogged(t, log, wrap(log.RequireKey()(wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		assert.Zero(t, abilities(w), "the outer wrapper hides them")
		control := http.NewResponseController(w)
		assert.NoError(t, control.SetReadDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, control.SetWriteDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, control.EnableFullDuplex())
		assert.NoError(t, control.Flush())
		_, _ = io.WriteString(w, "ok")
	})))), 1)
	_, body, e := s.ask(t, newRequest(t, "GET", s.url, "", "X-ApiKey", goodKey))
	assert.Equal(t, "ok", body)
	assert.Equal(t, 200, e.Status)
}

// unwrapper is a wrapper of a response writer that does nothing.
type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func TestTheResponseControllerWorks(t *testing.T) {
	overBothProtocols(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.URL.Path == "/read" {
			assert.NoError(t, control.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
			_, err := io.ReadAll(r.Body)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			w.WriteHeader(408)
			return
		}
		assert.NoError(t, control.SetWriteDeadline(time.Now().Add(time.Minute)))
		if r.ProtoMajor == 1 {
			assert.NoError(t, control.EnableFullDuplex())
		}
		_, _ = io.WriteString(w, "ok")
		assert.NoError(t, control.Flush())
	}), func(s *site) {
		t := s.T
		_, body, e := s.ask(t, newRequest(t, "GET", s.url, ""))
		assert.Equal(t, "ok", body)
		assert.Equal(t, "ok", e.Response.Text)

		never, end := io.Pipe()
		defer end.Close()
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/read", never)
		require.NoError(t, err)
		resp, _, e := s.ask(t, req)
		assert.Equal(t, 408, resp.StatusCode)
		assert.Equal(t, 408, e.Status)
	})
}

// Each event arrives while the handler still runs.
func TestEventsArriveAsTheyAreFlushed(t *testing.T) {
	for name, flush := range map[string]func(http.ResponseWriter){
		"by the writer":      func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"by its controller":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"through a wrapping": func(w http.ResponseWriter) { _ = http.NewResponseController(unwrapper{w}).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan bool)
			overBothProtocols(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for i := range 3 {
					_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
					flush(w)
					if !<-seen {
						return
					}
				}
			}), func(s *site) {
				t := s.T
				resp, err := s.client.Do(newRequest(t, "GET", s.url, "", "X-ApiKey", loggingKey))
				require.NoError(t, err)
				defer resp.Body.Close()
				events := bufio.NewReader(resp.Body)
				for i := range 3 {
					line, err := events.ReadString('\n')
					require.NoError(t, err)
					require.Equal(t, fmt.Sprintf("data: %d\n", i), line)
					_, err = events.ReadString('\n')
					require.NoError(t, err)
					seen <- true
				}
				e := s.request(t)
				assert.Equal(t, "data: 0\n\ndata: 1\n\ndata: 2\n\n", e.Response.Text)
				assert.Equal(t, "text/event-stream", e.Response.Type)
			})
		})
	}
}

// A WebSocket's handshake by hand: the connection is the handler's own.
func TestAConnectionCanBeTakenOver(t *testing.T) {
	for name, hijack := range map[string]func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
		"by the writer": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() },
		"by its controller": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return http.NewResponseController(w).Hijack()
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := newLogged(t, apikey.Options{})
			log.withLevel(t, apikey.LogBoth, loggingKey)
			base := serve(t, log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, rw, err := hijack(w)
				if !assert.NoError(t, err) {
					return
				}
				defer conn.Close()
				_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				_ = rw.Flush()
				line, _ := rw.ReadString('\n')
				_, _ = rw.WriteString("you said " + line)
				_ = rw.Flush()
			})))
			conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-ApiKey: "+loggingKey+"\r\n\r\n")
			require.NoError(t, err)
			answers := bufio.NewReader(conn)
			resp, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, 101, resp.StatusCode)
			_, err = io.WriteString(conn, "hello\n")
			require.NoError(t, err)
			line, err := answers.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "you said hello\n", line)
			e := log.request(t)
			assert.Equal(t, 101, e.Status)
			assert.Equal(t, apikey.OutcomeAllowed, e.Outcome)
			assert.Empty(t, e.Reason)
			assert.Zero(t, e.Response, "what goes over the connection then is not HTTP")
		})
	}
}

// A hijack that fails has not happened.
func TestAConnectionThatCannotBeTakenOverGoesOn(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _, err := w.(http.Hijacker).Hijack()
		assert.Error(t, err)
		w.WriteHeader(426)
	})).ServeHTTP(noHijack{httptest.NewRecorder()}, withKey("GET", "/", goodKey))
	assert.Equal(t, 426, log.request(t).Status)
}

// noHijack is a writer whose Hijack always fails.
type noHijack struct{ http.ResponseWriter }

func (noHijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("not today")
}

// A file is handed down as a file, from where the part that is kept ends: what is
// below can then leave it to the kernel.
func TestAFileIsSentByTheWriterBelow(t *testing.T) {
	content := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	rows := []struct {
		name, key, contentType string
		most                   int64 // bytes that do not go by ReadFrom
	}{
		{"a key that logs nothing", goodKey, "text/plain", 0},
		{"a type that is not kept", loggingKey, "image/png", 0},
		{"a text that is kept", loggingKey, "text/plain", 32 << 10},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			log := newLogged(t, apikey.Options{})
			log.withLevel(t, apikey.LogBoth, loggingKey)
			below := &fileWriter{ableWriter: ableWriter{nullWriter: nullWriter{header: http.Header{}}}}
			log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				file, err := os.Open(path)
				assert.NoError(t, err)
				defer file.Close()
				w.Header().Set("Content-Type", row.contentType)
				// As http.ServeContent does.
				n, err := io.CopyN(w, file, int64(len(content)))
				assert.NoError(t, err)
				assert.EqualValues(t, len(content), n)
			})).ServeHTTP(below, withKey("GET", "/", row.key))
			assert.True(t, bytes.Equal(content, below.body))
			assert.True(t, below.file, "it got the file itself")
			assert.LessOrEqual(t, int64(len(content))-below.read, row.most)
			assert.EqualValues(t, len(content), log.request(t).ResponseBytes)
		})
	}
}

// fileWriter notes whether it was given a file to read from.
type fileWriter struct {
	ableWriter
	file bool
	read int64
}

func (w *fileWriter) ReadFrom(src io.Reader) (int64, error) {
	if limited, ok := src.(*io.LimitedReader); ok {
		_, w.file = limited.R.(*os.File)
	}
	n, err := w.ableWriter.ReadFrom(src)
	w.read += n
	return n, err
}

// A source that fails is not taken for one that ends, though its error wraps
// io.EOF.
func TestACopyThatFailsSaysSo(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	log.withLevel(t, apikey.LogBoth, loggingKey)
	broken := fmt.Errorf("the upstream broke off: %w", io.EOF)
	for _, key := range []string{goodKey, loggingKey} {
		log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			n, err := w.(io.ReaderFrom).ReadFrom(io.MultiReader(strings.NewReader("half"), errorReader{broken}))
			assert.EqualValues(t, 4, n)
			assert.Same(t, broken, err)
		})).ServeHTTP(&ableWriter{nullWriter: nullWriter{header: http.Header{}}}, withKey("GET", "/", key))
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// http.ServeContent, over real connections: whole, in parts, and not at all.
func TestFilesAreServedWithRanges(t *testing.T) {
	content := strings.Repeat("0123456789abcdef-", 60_000)
	path := filepath.Join(t.TempDir(), "file.txt")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	stamp := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, stamp, stamp))
	rows := []struct {
		name, method, header, value string
		status                      int
		want                        string
	}{
		{"all of it", "GET", "", "", 200, content},
		{"a range", "GET", "Range", "bytes=100-199", 206, content[100:200]},
		{"its end", "GET", "Range", "bytes=-50000", 206, content[len(content)-50_000:]},
		{"two ranges", "GET", "Range", "bytes=0-9,20-29", 206, "multipart"},
		{"a range beyond it", "GET", "Range", "bytes=99999999-", 416, "invalid range: failed to overlap\n"},
		{"no range after all", "GET", "Range", "lines=1-2", 416, "invalid range\n"},
		{"nothing new", "GET", "If-Modified-Since", time.Now().UTC().Format(http.TimeFormat), 304, ""},
		{"its head", "HEAD", "", "", 200, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			overBothProtocols(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.ServeFile(w, r, path)
			}), func(s *site) {
				t := s.T
				req := newRequest(t, row.method, s.url, "")
				if row.header != "" {
					req.Header.Set(row.header, row.value)
				}
				resp, body, e := s.ask(t, req)
				assert.Equal(t, row.status, resp.StatusCode)
				assert.Equal(t, row.status, e.Status)
				assert.EqualValues(t, len(body), e.ResponseBytes)
				if row.want == "multipart" {
					assert.Equal(t, "not a text", e.Response.Omitted)
					assert.Equal(t, "multipart/byteranges", e.Response.Type)
					return
				}
				requireSame(t, row.want, body)
				assert.Equal(t, row.want[:min(len(row.want), 16<<10)], e.Response.Text)
				assert.Equal(t, len(row.want) > 16<<10, e.Response.Truncated)
			})
		})
	}
}

// http.MaxBytesReader ends the connection where it finds net/http's own writer;
// with ours in between that must still be so.
func TestABodyBeyondItsLimitIsRefusedAsEver(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
		var tooLong *http.MaxBytesError
		assert.ErrorAs(t, err, &tooLong)
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
	})
	overBothProtocols(t, handler, func(s *site) {
		t := s.T
		resp, body, e := s.ask(t, newRequest(t, "POST", s.url, strings.Repeat("x", 100), "Content-Type", "text/plain"))
		assert.Equal(t, 413, resp.StatusCode)
		assert.Equal(t, "too long\n", body)
		assert.Equal(t, s.major == 1, resp.Close, "the connection is closed, where it serves one request at a time")
		assert.Equal(t, 413, e.Status)
		assert.Equal(t, "too long\n", e.Response.Text)
		assert.Contains(t, e.Request.Text, "xxxxxxxxxx")
	})
}

// A timeLimit is a context whose deadline passes when the handler under it says so:
// one that a clock decides may pass before a guard has been reached.
type timeLimit struct {
	context.Context
	up chan struct{}
}

func (l timeLimit) Done() <-chan struct{} { return l.up }

func (l timeLimit) Err() error {
	select {
	case <-l.up:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func (l timeLimit) Value(key any) any {
	if key == (timeLimit{}) {
		return l
	}
	return l.Context.Value(key)
}

// limited puts a time limit around a handler, which timeIsUp ends.
func limited(next http.Handler) http.Handler {
	handler := http.TimeoutHandler(next, time.Hour, "too late")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(timeLimit{r.Context(), make(chan struct{})}))
	})
}

func timeIsUp(r *http.Request) {
	close(r.Context().Value(timeLimit{}).(timeLimit).up)
	<-r.Context().Done()
}

// A time limit around the guard or inside it: the client has its answer when the
// time is up, the entry is whole, and what the handler goes on doing races with
// nothing.
func TestTimeLimits(t *testing.T) {
	release := make(chan struct{})
	var late sync.WaitGroup
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer late.Done()
		_, _ = io.CopyN(io.Discard, r.Body, 5)
		_, _ = io.WriteString(w, "half")
		timeIsUp(r)
		for range 1000 { // until the answer is long gone
			_, _ = io.CopyN(io.Discard, r.Body, 5)
			_, _ = io.WriteString(w, "and more")
			select {
			case <-release:
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	})
	rows := []struct {
		name    string
		handler func(l *logged) http.Handler
		status  int // in the entry
	}{
		{"inside the guard", func(l *logged) http.Handler { return l.RequireKey()(limited(slow)) }, 503},
		{"between two guards", func(l *logged) http.Handler { return l.RequireKey()(limited(l.Require(apikey.JobsView)(slow))) }, 503},
		{"between Record and a guard", func(l *logged) http.Handler { return l.Record()(limited(l.RequireKey()(slow))) }, 503},
		// The guard cannot know what is made of its answer.
		{"around the guard", func(l *logged) http.Handler { return limited(l.RequireKey()(slow)) }, 200},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			log := newLogged(t, apikey.Options{})
			log.withLevel(t, apikey.LogBoth, loggingKey)
			s := serveLogged(t, log, row.handler(log), 1)
			var clients sync.WaitGroup
			const n = 20
			late.Add(n)
			for range n {
				clients.Go(func() {
					resp, err := s.client.Do(newRequest(t, "POST", s.url, strings.Repeat("asked", 100), "X-ApiKey", loggingKey, "Content-Type", "text/plain"))
					if err != nil {
						t.Error(err)
						return
					}
					body, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					assert.Equal(t, 503, resp.StatusCode)
					assert.Equal(t, "too late", string(body))
				})
			}
			clients.Wait()
			if row.status == 503 {
				for _, e := range log.requests(t, n) {
					assert.Equal(t, 503, e.Status)
					assert.Equal(t, "too late", e.Response.Text)
					assert.EqualValues(t, 8, e.ResponseBytes)
					assert.Equal(t, apikey.OutcomeAllowed, e.Outcome)
				}
			}
			close(release)
			late.Wait()
			release = make(chan struct{})
			for _, e := range log.requests(t, n) {
				assert.Equal(t, row.status, e.Status)
				// As much as the handler had read by then, and nothing else.
				assert.True(t, strings.HasPrefix(strings.Repeat("asked", 100), e.Request.Text))
			}
		})
	}
}

// A guard that is reached after its request was answered changes nothing: neither
// the entry, which is made, nor the places of a required log.
func TestAGuardThatIsReachedTooLate(t *testing.T) {
	for _, required := range []bool{false, true} {
		t.Run(fmt.Sprintf("required %t", required), func(t *testing.T) {
			log := newLogged(t, apikey.Options{Log: apikey.LogOptions{Required: required, MaxEntries: 8}})
			log.withLevel(t, apikey.LogBoth, loggingKey)
			var late sync.WaitGroup
			answered := make(chan struct{})
			served := false
			guard := log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(w, r.Body)
				served = true
			}))
			handler := log.Record()(http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer late.Done()
				<-answered
				guard.ServeHTTP(w, r)
			}), time.Millisecond, "too late"))
			for i := range 20 {
				answered, served = make(chan struct{}), false
				late.Add(1)
				r := httptest.NewRequest("POST", "/", strings.NewReader("asked"))
				r.Header.Set("X-ApiKey", loggingKey)
				r.Header.Set("Content-Type", "text/plain")
				require.Equal(t, 503, ask(handler, r).Code)
				close(answered)
				late.Wait()
				require.Equal(t, !required, served, "a handler whose request cannot be recorded does not run")
				e := log.requests(t, i+1)[i]
				require.Equal(t, 503, e.Status)
				require.Empty(t, e.KeyID, "nobody knew the key when the entry was made")
			}
			require.Equal(t, 200, ask(log.RequireKey()(says("ok")), withKey("GET", "/", goodKey)).Code, "all places are there")
		})
	}
}

// What the client gets is what the handler wrote, whichever ways it took.
func TestNoByteIsChanged(t *testing.T) {
	for _, level := range []apikey.Logging{apikey.LogNone, apikey.LogBoth} {
		for major := 1; major <= 2; major++ {
			t.Run(fmt.Sprintf("level %s, HTTP/%d", level, major), func(t *testing.T) {
				log := newLogged(t, apikey.Options{})
				log.withLevel(t, level, loggingKey)
				s := serveLogged(t, log, log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/plain")
					body, _ := io.ReadAll(r.Body)
					if s, ok := w.(io.ReaderFrom); ok && s != nil {
						copyInAllWays(w, bytes.NewReader(body))
						return
					}
					copyBy(w, bytes.NewReader(body), 999)
				})), major)
				random := rand.NewChaCha8([32]byte{byte(major)})
				for i := range 40 {
					body := make([]byte, i*i*i)
					_, _ = random.Read(body)
					_, got, e := s.ask(t, newRequest(t, "POST", s.url, string(body)))
					require.Equal(t, sha256.Sum256(body), sha256.Sum256([]byte(got)))
					require.EqualValues(t, len(body), e.ResponseBytes)
				}
			})
		}
	}
}

// With the context of a request go values that the host put there.
func TestTheContextIsTheRequests(t *testing.T) {
	type hostKey struct{}
	log := newLogged(t, apikey.Options{})
	r := withKey("GET", "/", goodKey)
	r = r.WithContext(context.WithValue(r.Context(), hostKey{}, "host"))
	ask(log.Record()(log.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "host", r.Context().Value(hostKey{}))
	}))), r)
	log.request(t)
}

// liar is a reader that says it has read what it has not.
type liar struct{ left int }

func (l *liar) Read(p []byte) (int, error) {
	if l.left--; l.left < 0 {
		return 0, io.EOF
	}
	return min(100, len(p)), nil
}

// A reader that a handler copies from sees nothing of what others have sent.
func TestReadFromShowsNothingOfOtherRequests(t *testing.T) {
	overBothProtocols(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.Method == http.MethodPost {
			echo(w, r)
			return
		}
		_, _ = io.Copy(w, &liar{3})
	}), func(s *site) {
		t := s.T
		for range 20 {
			s.ask(t, newRequest(t, "POST", s.url, strings.Repeat("another tenant's. ", 200), "Content-Type", "text/plain"))
			_, body, _ := s.ask(t, newRequest(t, "GET", s.url, ""))
			assert.NotContains(t, body, "tenant")
		}
	})
}
