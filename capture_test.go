package apikey_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// loggingKey opens a key that logs both bodies.
const loggingKey = "a key that logs both"

// A site is a server that logs, as clients of one protocol see it.
type site struct {
	*testing.T
	*logged
	url    string
	client *http.Client
	major  int // of the protocol
	asked  int
}

// overBothProtocols runs a test over a server that speaks HTTP/1.1, and one that
// speaks HTTP/2. The handler is guarded.
func overBothProtocols(t *testing.T, handler http.Handler, test func(s *site)) {
	t.Helper()
	for major := 1; major <= 2; major++ {
		t.Run(fmt.Sprintf("HTTP/%d", major), func(t *testing.T) {
			log := newLogged(t, apikey.Options{})
			log.withLevel(t, apikey.LogBoth, loggingKey)
			test(serveLogged(t, log, log.RequireKey()(handler), major))
		})
	}
}

func serveLogged(t *testing.T, l *logged, handler http.Handler, major int) *site {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	if major == 2 {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return &site{T: t, logged: l, url: server.URL, client: server.Client(), major: major}
}

// ask sends a request with the key that logs both bodies and returns the answer,
// the part of it that came, and its entry.
func (s *site) ask(t testing.TB, req *http.Request) (*http.Response, string, apikey.LogEntry) {
	t.Helper()
	if req.Header.Get("X-ApiKey") == "" {
		req.Header.Set("X-ApiKey", loggingKey)
	}
	resp, err := s.client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, s.major, resp.ProtoMajor)
	body, _ := io.ReadAll(resp.Body)
	s.asked++
	return resp, string(body), s.requests(t, s.asked)[s.asked-1]
}

// echo answers with what it is sent, as what it is sent.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	for _, name := range []string{"Content-Type", "Content-Encoding"} {
		if value, ok := r.Header[name]; ok {
			w.Header()[name] = value
		} else {
			w.Header()[name] = nil
		}
	}
	_, _ = w.Write(body)
}

// An inner guard refuses a request whose body the handlers outside have read, and in
// part answered.
func TestARequestThatIsRefusedAfterAllLeavesNoBodies(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	log.withLevel(t, apikey.LogBoth, loggingKey)
	inner := log.Require(apikey.Native)(http.NotFoundHandler())
	s := serveLogged(t, log, log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "an answer\n")
		inner.ServeHTTP(w, r)
	})), 1)
	_, _, e := s.ask(t, newRequest(t, "POST", s.url, "asked", "X-ApiKey", loggingKey, "Content-Type", "text/plain"))
	assert.Equal(t, string(apikey.ErrForbidden), e.Reason)
	assert.Equal(t, apikey.LogBody{}, e.Request)
	assert.Equal(t, apikey.LogBody{}, e.Response)
}

func TestTheKeysLevelDecidesWhichBodiesAreKept(t *testing.T) {
	rows := []struct {
		level             apikey.Logging
		request, response bool
	}{
		{apikey.LogNone, false, false},
		{apikey.LogRequest, true, false},
		{apikey.LogResponse, false, true},
		{apikey.LogBoth, true, true},
	}
	bodies := []struct {
		name, request, response string
	}{
		{"both", "asked", "answered"},
		{"a request alone", "asked", ""},
		{"a response alone", "", "answered"},
		{"neither", "", ""},
	}
	for major := 1; major <= 2; major++ {
		log := newLogged(t, apikey.Options{})
		s := serveLogged(t, log, log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, r.Header.Get("Answer"))
		})), major)
		for _, row := range rows {
			key := fmt.Sprintf("a key that logs %s", row.level)
			log.withLevel(t, row.level, key)
			for _, body := range bodies {
				t.Run(fmt.Sprintf("HTTP/%d, level %s, %s", major, row.level, body.name), func(t *testing.T) {
					_, got, e := s.ask(t, newRequest(t, "POST", s.url, body.request,
						"X-ApiKey", key, "Content-Type", "text/plain", "Answer", body.response))
					assert.Equal(t, body.response, got)
					want := func(kept bool, text string) apikey.LogBody {
						if !kept || text == "" {
							return apikey.LogBody{}
						}
						return apikey.LogBody{Text: text, Type: "text/plain"}
					}
					assert.Equal(t, want(row.request, body.request), e.Request)
					assert.Equal(t, want(row.response, body.response), e.Response)
					assert.EqualValues(t, len(body.request), e.RequestBytes)
					assert.EqualValues(t, len(body.response), e.ResponseBytes)
				})
			}
		}
	}
}

// What a refused client sends is nobody's business, whatever its key would log.
func TestNoBodyOfARefusedRequestIsKept(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	key := log.withLevel(t, apikey.LogBoth, loggingKey)
	disabled := log.withLevel(t, apikey.LogBoth, "a key that logs both and is disabled")
	disable(t, log.Authority, disabled)
	rows := []struct {
		name, key, query string
		status           int
	}{
		{"a key that may not", loggingKey, "", 403},
		{"a disabled key", "a key that logs both and is disabled", "", 401},
		{"two keys", loggingKey, "?key=" + goodKey, 400},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/"+row.query, strings.NewReader("asked"))
			r.Header.Set("X-ApiKey", row.key)
			r.Header.Set("Content-Type", "text/plain")
			require.Equal(t, row.status, ask(log.Require(apikey.Native)(http.HandlerFunc(echo)), r).Code)
			e := log.requests(t, i+1)[i]
			assert.Zero(t, e.Request)
			assert.Zero(t, e.Response)
		})
	}
	assert.Equal(t, apikey.LogBoth, key.Logging)
}

// Texts are kept; of all else its type and length.
func TestTextsAreKeptAndAllElseIsNot(t *testing.T) {
	const binary, coded = "not a text", "content coding"
	rows := []struct {
		contentType, coding string
		omitted             string // empty: kept
		want                string // the type
	}{
		{"text/plain", "", "", "text/plain"},
		{"text/plain; charset=utf-8", "", "", "text/plain"},
		{"TEXT/HTML", "", "", "text/html"},
		{"text/event-stream", "", "", "text/event-stream"},
		{"application/json", "", "", "application/json"},
		{"application/json", "identity", "", "application/json"},
		{"application/problem+json", "", "", "application/problem+json"},
		{"application/vnd.api+json; ext=x", "", "", "application/vnd.api+json"},
		{"application/x-ndjson", "", "", "application/x-ndjson"},
		{"application/jsonl", "", "", "application/jsonl"},
		{"application/xml", "", "", "application/xml"},
		{"application/atom+xml", "", "", "application/atom+xml"},
		{"application/x-www-form-urlencoded", "", "", "application/x-www-form-urlencoded"},
		{"application/javascript", "", "", "application/javascript"},
		{"application/graphql", "", "", "application/graphql"},
		{"application/yaml", "", "", "application/yaml"},
		{"application/toml", "", "", "application/toml"},
		{"application/sql", "", "", "application/sql"},

		{"", "", binary, "application/octet-stream"},
		{"application/octet-stream", "", binary, "application/octet-stream"},
		{"multipart/form-data; boundary=x", "", binary, "multipart/form-data"},
		{"multipart/mixed; boundary=x", "", binary, "multipart/mixed"},
		{"image/png", "", binary, "image/png"},
		{"application/zip", "", binary, "application/zip"},
		{"application/pdf", "", binary, "application/pdf"},
		{"application/grpc", "", binary, "application/grpc"},
		{"application/jsonish", "", binary, "application/jsonish"},
		{"nonsense", "", binary, "nonsense"},
		{"text/plain; charset", "", binary, "text/plain"},
		{"text/plain; charset=US-ASCII", "", "", "text/plain"},
		{"text/plain; charset=utf-16le", "", binary, "text/plain"},
		{"text/html; charset=iso-8859-1", "", binary, "text/html"},
		{"application/json; charset=UTF-32", "", binary, "application/json"},
		{"; charset=utf-8", "", binary, "application/octet-stream"},

		{"application/json", "gzip", coded, "application/json"},
		{"text/plain", "identity, br", coded, "text/plain"},
		{"image/png", "gzip", binary, "image/png"},
		{"", "gzip", binary, "application/octet-stream"},
	}
	overBothProtocols(t, http.HandlerFunc(echo), func(s *site) {
		t := s.T
		for _, row := range rows {
			t.Run(row.contentType+" "+row.coding, func(t *testing.T) {
				req := newRequest(t, "POST", s.url, "1", "Accept-Encoding", "identity")
				if row.contentType != "" {
					req.Header.Set("Content-Type", row.contentType)
				}
				if row.coding != "" {
					req.Header.Set("Content-Encoding", row.coding)
				}
				_, _, e := s.ask(t, req)
				want := apikey.LogBody{Type: row.want, Omitted: row.omitted}
				if row.omitted == "" {
					want.Text = "1"
				}
				assert.Equal(t, want, e.Request)
				assert.Equal(t, want, e.Response)
				assert.EqualValues(t, 1, e.RequestBytes)
				assert.EqualValues(t, 1, e.ResponseBytes)
			})
		}
	})
}

// A body in another charset than its type says is no text: the key would not be found.
func TestABodyThatIsNotUTF8IsNotKept(t *testing.T) {
	wide := func(text string) string { return strings.Join(strings.Split("\xff\xfe"+text, ""), "\x00") }
	overBothProtocols(t, http.HandlerFunc(echo), func(s *site) {
		t := s.T
		for _, body := range []string{wide(`{"password":"` + goodKey + `"}`), "p\xe4ssw\xf6rd-x9"} {
			req := newRequest(t, "POST", s.url, body, "Content-Type", "application/json")
			_, got, e := s.ask(t, req)
			assert.Equal(t, body, got)
			assert.Equal(t, apikey.LogBody{Type: "application/json", Omitted: "not a text"}, e.Request)
			assert.Equal(t, e.Request, e.Response)
		}
	})
}

// A body that ends within the key shows no more of it than any text may.
func TestABodyThatEndsWithinTheKeyDoesNotShowIt(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	log.withLevel(t, apikey.LogBoth, "secure123-abcdefghijklmnop")
	handler := log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		read, _ := io.ReadAll(io.LimitReader(r.Body, 31))
		_, _ = w.Write(read[:30])
	}))
	r := httptest.NewRequest("POST", "/", strings.NewReader("note: secure123-abcdefghijklmnop and so on"))
	r.Header.Set("X-ApiKey", "secure123-abcdefghijklmnop")
	r.Header.Set("Content-Type", "text/plain")
	ask(handler, r)
	e := log.request(t)
	assert.Equal(t, "note: [redacted]", e.Request.Text)
	assert.Equal(t, "note: [redacted]", e.Response.Text)
}

// A response without a type is of the type that net/http sends it as.
func TestAResponseWithoutATypeIsWhatItLooksLike(t *testing.T) {
	zip := "PK\x03\x04" + strings.Repeat("z", 1000)
	rows := []struct {
		name   string
		pieces []string // a flush where one is empty
	}{
		{"text", []string{"hello"}},
		{"HTML", []string{"<!DOCTYPE html><p>hello"}},
		{"HTML in pieces", []string{"<", "html", "><p>hello"}},
		{"JSON looks like text", []string{`{"a":1}`}},
		{"XML", []string{`<?xml version="1.0"?><a/>`}},
		{"a picture", []string{"\x89PNG\r\n\x1a\n0000"}},
		{"an archive", []string{zip}},
		{"an archive byte by byte", strings.Split(zip, "")},
		{"an archive after nothing", append([]string{"P"}, zip[1:])},
		{"zeros", []string{"\x00\x00\x00"}},
		{"a text in UTF-16, which cannot be searched", []string{"\xfe\xff\x00h\x00i"}},
		{"text, and zeros later than anybody looks", []string{strings.Repeat("a", 512), "\x00\x01"}},
		{"text, and zeros just before that", []string{strings.Repeat("a", 511), "\x00\x01"}},
		{"text that is flushed, and zeros", []string{"hello", "", "\x00\x01"}},
		{"a long text", []string{strings.Repeat("text ", 10_000)}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			overBothProtocols(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for _, piece := range row.pieces {
					if piece == "" {
						w.(http.Flusher).Flush()
					}
					_, _ = io.WriteString(w, piece)
				}
			}), func(s *site) {
				t := s.T
				resp, body, e := s.ask(t, newRequest(t, "GET", s.url, ""))
				assert.Equal(t, strings.Join(row.pieces, ""), body)
				sent, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
				assert.Equal(t, sent, e.Response.Type)
				kept := strings.HasPrefix(sent, "text/") && !strings.Contains(body, "\x00") // UTF-16 has them too
				assert.Equal(t, kept, e.Response.Omitted == "")
				assert.Equal(t, kept, e.Response.Text != "")
				assert.EqualValues(t, len(body), e.ResponseBytes)
			})
		})
	}
}

// Of a long body its beginning is kept, and how long it was.
func TestBodiesAreCutAtTheCap(t *testing.T) {
	for _, limit := range []int{1, 10, 1 << 10, 16 << 10, 100_000} {
		set := limit
		if limit == 16<<10 {
			set = 0 // the default
		}
		log := newLogged(t, apikey.Options{Log: apikey.LogOptions{MaxBody: set}})
		log.withLevel(t, apikey.LogBoth, loggingKey)
		for style, copyAll := range map[string]func(w http.ResponseWriter, r *http.Request){
			"at once":    func(w http.ResponseWriter, r *http.Request) { body, _ := io.ReadAll(r.Body); _, _ = w.Write(body) },
			"by 7 bytes": func(w http.ResponseWriter, r *http.Request) { copyBy(w, r.Body, 7) },
			"by 5,000":   func(w http.ResponseWriter, r *http.Request) { copyBy(w, r.Body, 5000) },
			"as a string": func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				writeString(w, string(body))
			},
			"by ReadFrom":  func(w http.ResponseWriter, r *http.Request) { _, _ = w.(io.ReaderFrom).ReadFrom(r.Body) },
			"in all ways":  func(w http.ResponseWriter, r *http.Request) { copyInAllWays(w, r.Body) },
			"by io.Copy":   func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) },
			"two readings": func(w http.ResponseWriter, r *http.Request) { _, _ = io.CopyN(w, r.Body, 3); _, _ = io.Copy(w, r.Body) },
		} {
			t.Run(fmt.Sprintf("%d bytes %s", limit, style), func(t *testing.T) {
				log.sink.forgetAll()
				s := serveLogged(t, log, log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_ = http.NewResponseController(w).EnableFullDuplex() // else writing ends reading
					w.Header().Set("Content-Type", "text/plain")
					copyAll(w, r)
				})), 1)
				for _, length := range []int{limit - 1, limit, limit + 1, 5*limit + 3, 300_000} {
					if length == 0 {
						continue
					}
					sent := strings.Repeat("0123456789abcdef-", length/17+1)[:length]
					_, got, e := s.ask(t, newRequest(t, "POST", s.url, sent, "Content-Type", "text/plain"))
					requireSame(t, sent, got)
					for _, body := range []apikey.LogBody{e.Request, e.Response} {
						requireSame(t, sent[:min(length, limit)], body.Text)
						require.Equal(t, length > limit, body.Truncated)
						require.Empty(t, body.Omitted)
					}
					require.EqualValues(t, length, e.RequestBytes)
					require.EqualValues(t, length, e.ResponseBytes)
				}
			})
		}
	}
}

// requireSame is require.Equal for texts too long to be shown.
func requireSame(t testing.TB, want, got string) {
	t.Helper()
	if want != got {
		t.Fatalf("another text, of %d bytes; %d were expected", len(got), len(want))
	}
}

func copyBy(w io.Writer, r io.Reader, size int) {
	piece := make([]byte, size)
	for {
		n, err := r.Read(piece)
		_, _ = w.Write(piece[:n])
		if err != nil {
			return
		}
	}
}

func writeString(w io.Writer, s string) { _, _ = io.WriteString(w, s) }

func copyInAllWays(w http.ResponseWriter, r io.Reader) {
	body, _ := io.ReadAll(r)
	for i := 0; len(body) > 0; i++ {
		piece := body[:min(len(body), 1+i*977)]
		body = body[len(piece):]
		switch i % 4 {
		case 0:
			_, _ = w.Write(piece)
		case 1:
			writeString(w, string(piece))
		case 2:
			_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader(string(piece)))
		case 3:
			w.(http.Flusher).Flush()
			_, _ = w.Write(piece)
		}
	}
}

// A request's body is logged as the handler read it, also where that is less than
// was sent, or was sent without a length.
func TestTheRequestBodyIsWhatTheHandlerRead(t *testing.T) {
	rows := []struct {
		name     string
		key      string
		chunked  bool
		read     int64
		want     string
		bytes    int64
		truncate bool
	}{
		{"all of it", loggingKey, false, 100, "0123456789", 10, false},
		{"all of it, of no declared length", loggingKey, true, 100, "0123456789", 10, false},
		{"a part", loggingKey, false, 4, "0123", 4, false},
		{"nothing: what was declared counts", loggingKey, false, 0, "", 10, false},
		{"nothing, and nothing declared", loggingKey, true, 0, "", -1, false},
		{"a key that logs nothing: what was declared counts", goodKey, false, 4, "", 10, false},
		{"a key that logs nothing, and nothing declared", goodKey, true, 4, "", -1, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			overBothProtocols(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.CopyN(io.Discard, r.Body, row.read)
			}), func(s *site) {
				t := s.T
				var body io.Reader = strings.NewReader("0123456789")
				if row.chunked {
					body = struct{ io.Reader }{body}
				}
				req, err := http.NewRequestWithContext(t.Context(), "POST", s.url, body)
				require.NoError(t, err)
				req.Header.Set("X-ApiKey", row.key)
				req.Header.Set("Content-Type", "text/plain")
				_, _, e := s.ask(t, req)
				assert.Equal(t, row.want, e.Request.Text)
				assert.Equal(t, row.bytes, e.RequestBytes)
			})
		})
	}
}

// What counts is what went on the wire, and what net/http made of it.
func TestTheResponseIsWhatWentOnTheWire(t *testing.T) {
	text := func(s string) apikey.LogBody { return apikey.LogBody{Text: s, Type: "text/plain"} }
	rows := []struct {
		name    string
		method  string // default GET
		handler http.HandlerFunc
		status  int
		want    apikey.LogBody
	}{
		{"nothing is written", "", func(http.ResponseWriter, *http.Request) {}, 200, apikey.LogBody{}},
		{"an empty write", "", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil); w.WriteHeader(500) }, 200, apikey.LogBody{}},
		{"a status alone", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) }, 418, apikey.LogBody{}},
		{"a flush alone", "", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(500) }, 200, apikey.LogBody{}},
		{"a flush by its controller", "", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			w.WriteHeader(500)
		}, 200, apikey.LogBody{}},
		{"an empty copy, and then a status", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("")})
			w.WriteHeader(500)
		}, 500, apikey.LogBody{}},
		{"an error", "", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) }, 404, text("no\n")},
		{"an error after headers", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			http.Error(w, " failed", 500)
		}, 200, text("half failed\n")},
		{"two statuses", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) }, 201, apikey.LogBody{}},
		{"a redirect", "POST", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/else", http.StatusSeeOther) }, 303, apikey.LogBody{}},
		{"HEAD", "HEAD", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "unsent") }, 200, apikey.LogBody{}},
		{"HEAD by a copy", "HEAD", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("unsent")) }, 200, apikey.LogBody{}},
		{"204", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			_, _ = io.WriteString(w, "unsent")
		}, 204, apikey.LogBody{}},
		{"304", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(304)
			_, _ = io.Copy(w, strings.NewReader("unsent"))
		}, 304, apikey.LogBody{}},
		{"103 and then 200", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(103)
			w.WriteHeader(103)
			_, _ = io.WriteString(w, "sent")
		}, 200, text("sent")},
		{"103 and then 404", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, 404, apikey.LogBody{}},
		{"more than was declared", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "sent")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "unsent")
		}, 200, text("sent")},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			overBothProtocols(t, row.handler, func(s *site) {
				t := s.T
				s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				hints := 0
				req := newRequest(t, "GET", s.url, "").WithContext(httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
					Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil },
				}))
				if row.method != "" {
					req.Method = row.method
				}
				resp, body, e := s.ask(t, req)
				assert.Equal(t, row.status, resp.StatusCode)
				assert.Equal(t, row.status, e.Status)
				assert.EqualValues(t, len(body), e.ResponseBytes)
				assert.Equal(t, row.want, e.Response)
				assert.Equal(t, body, e.Response.Text)
				assert.Equal(t, strings.HasPrefix(row.name, "103"), hints > 0)
			})
		})
	}
}

// A connection that breaks in the middle leaves what was written until then.
func TestABodyThatEndsInAPanicIsKeptUntilThen(t *testing.T) {
	overBothProtocols(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}), func(s *site) {
		t := s.T
		_, body, e := s.ask(t, newRequest(t, "POST", s.url, "asked", "Content-Type", "text/plain"))
		assert.Equal(t, "half", body)
		assert.Equal(t, apikey.OutcomeError, e.Outcome)
		assert.Equal(t, "asked", e.Request.Text)
		assert.Equal(t, "half", e.Response.Text)
	})
}

// HTTP/2 without TLS, and TLS without HTTP/2, are no different.
func TestTLSWithoutHTTP2(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	log.withLevel(t, apikey.LogBoth, loggingKey)
	server := httptest.NewUnstartedServer(log.RequireKey()(http.HandlerFunc(echo)))
	server.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	server.StartTLS()
	t.Cleanup(server.Close)
	s := &site{T: t, logged: log, url: server.URL, client: server.Client(), major: 1}
	_, body, e := s.ask(t, newRequest(t, "POST", s.url, "asked", "Content-Type", "text/plain"))
	assert.Equal(t, "asked", body)
	assert.Equal(t, "asked", e.Request.Text)
	assert.Equal(t, "asked", e.Response.Text)
}
