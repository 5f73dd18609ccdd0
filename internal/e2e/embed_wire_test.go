package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// TestWriterIsHandedOn: the handler gets a writer with all that the server's own can
// do and, where nothing is logged, that very one.
func TestWriterIsHandedOn(t *testing.T) {
	for _, off := range []bool{true, false} {
		guard := embedded(t, &apikey.Options{Log: apikey.LogOptions{Off: off}}).RequireKey()
		var outer http.ResponseWriter
		base := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			outer = w
			guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				assert.Equal(t, off, outer == w)
				assert.Implements(t, (*http.Flusher)(nil), w)
				assert.Implements(t, (*http.Hijacker)(nil), w)
				assert.Implements(t, (*io.ReaderFrom)(nil), w)
				assert.Implements(t, (*io.StringWriter)(nil), w)
				control := http.NewResponseController(w)
				soon := time.Now().Add(time.Minute)
				assert.NoError(t, control.SetReadDeadline(soon))
				assert.NoError(t, control.SetWriteDeadline(soon))
				assert.NoError(t, control.EnableFullDuplex())
				_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("sent"))
				assert.NoError(t, err)
				assert.NoError(t, control.Flush())
			})).ServeHTTP(w, r)
		}))
		for _, w := range ways(canary) {
			a := w.ask.do(t, base+"/p"+w.query)
			assert.Equal(t, "sent", a.body)
		}
	}
}

// TestServerSentEvents: what is flushed is with the client while the handler
// still runs, for longer than a searched body may take.
func TestServerSentEvents(t *testing.T) {
	const limit = 250 * time.Millisecond
	auth := embedded(t, &apikey.Options{BodyTimeout: limit})
	next := make(chan string)
	base := serving(t, auth.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case text := <-next:
				if text == "" {
					return
				}
				fmt.Fprintf(w, "data: %s\n\n", text)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				fmt.Fprint(w, "data: cut short\n\n")
				return
			}
		}
	})))
	for _, w := range ways(canary) {
		t.Run("key in the "+w.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "POST", base+w.query, strings.NewReader(w.ask.body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", w.ask.kind)
			if w.name == "header" {
				req.Header.Set("X-ApiKey", canary)
			}
			go func() { next <- "one" }()
			resp, err := once.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			lines := bufio.NewScanner(resp.Body)
			require.True(t, lines.Scan())
			require.Equal(t, "data: one", lines.Text())
			time.Sleep(limit + 50*time.Millisecond)
			next <- "two"
			next <- ""
			rest := ""
			for lines.Scan() {
				rest += lines.Text()
			}
			require.Equal(t, "data: two", rest)
		})
	}
}

// echoing takes the connection over, as WebSocket servers do, and returns one
// line.
func echoing(t *testing.T) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		assert.Equal(t, "echo", r.Header.Get("Upgrade"))
		assert.NotContains(t, r.URL.RawQuery, canary)
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		line, err := rw.ReadString('\n')
		assert.NoError(t, err)
		_, _ = io.WriteString(conn, "echo "+line)
	})
}

// TestUpgrade: a handler may take the connection over, and so may a proxy.
func TestUpgrade(t *testing.T) {
	auth := embedded(t, &apikey.Options{BodyTimeout: 100 * time.Millisecond})
	direct := serving(t, auth.RequireKey()(echoing(t)))
	proxied := serving(t, gatewayHost(auth, parsed(t, serving(t, echoing(t)))))
	for _, row := range []struct{ name, base, target, header, want string }{
		{"key in the header", direct, "/", "X-ApiKey: " + canary + "\r\n", "101"},
		{"key in the query, as browsers must", direct, "/?key=" + canary, "", "101"},
		{"no key", direct, "/", "", "401"},
		{"through a proxy, key in the header", proxied, "/", "X-ApiKey: " + canary + "\r\n", "101"},
		{"through a proxy, key in the query", proxied, "/?key=" + canary, "", "101"},
		{"through a proxy, no key", proxied, "/", "", "401"},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(row.base, "http://"))
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
			const head = "GET %s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n%s\r\n"
			_, err = fmt.Fprintf(conn, head, row.target, row.header)
			require.NoError(t, err)
			reader := bufio.NewReader(conn)
			line, err := reader.ReadString('\n')
			require.NoError(t, err)
			require.Contains(t, line, " "+row.want+" ")
			if row.want != "101" {
				return
			}
			time.Sleep(150 * time.Millisecond) // for longer than a body may take
			_, err = io.WriteString(conn, "hello\n")
			require.NoError(t, err)
			for line != "echo hello\n" {
				line, err = reader.ReadString('\n')
				require.NoError(t, err)
			}
		})
	}
}

// overHTTP2 starts a server that speaks HTTP/2 and returns a client for it.
func overHTTP2(t *testing.T, h http.Handler) (base string, client *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, server.Client()
}

func TestHTTP2(t *testing.T) {
	base, client := overHTTP2(t, muxHost(embedded(t, nil)))
	for _, w := range ways(canary) {
		for _, chunk := range []bool{false, true} {
			t.Run(fmt.Sprintf("key in the %s, unknown length %v", w.name, chunk), func(t *testing.T) {
				w.ask.client, w.ask.chunk = client, chunk
				a := w.ask.do(t, base+"/jobs/7"+w.query)
				w.check(t, a)
				assert.Equal(t, 2, a.proto)
				if chunk {
					assert.Equal(t, http.Header{"X-Sum": {"42"}}, seen(t, a).Trailer)
				}
			})
		}
	}
	a := ask{client: client}.do(t, base+"/jobs/7")
	assert.Equal(t, 401, a.status)
	assert.Equal(t, 2, a.proto)
}

// TestHTTP2SlowBody: one stream's slow body ends with a 408 of that stream alone.
func TestHTTP2SlowBody(t *testing.T) {
	auth := embedded(t, &apikey.Options{BodyTimeout: 200 * time.Millisecond})
	base, client := overHTTP2(t, auth.RequireKey()(http.HandlerFunc(show)))
	reader, writer := io.Pipe()
	defer writer.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", base, reader)
	require.NoError(t, err)
	req.Header.Set("Content-Type", formType)
	slow := make(chan int, 1)
	go func() {
		resp, err := client.Do(req)
		if !assert.NoError(t, err) {
			slow <- 0
			return
		}
		resp.Body.Close()
		slow <- resp.StatusCode
	}()
	_, err = io.WriteString(writer, "key=") // the stream is open
	require.NoError(t, err)
	status := -1
	for status < 0 {
		other := ask{client: client, header: []string{"X-ApiKey", canary}}.do(t, base)
		require.Equal(t, 200, other.status)
		select {
		case status = <-slow:
		default:
		}
	}
	assert.Equal(t, 408, status)
}

// TestHTTP2Streams: many streams of one connection, each with its own key.
func TestHTTP2Streams(t *testing.T) {
	auth := embedded(t, nil)
	var mu sync.Mutex
	conns := map[string]bool{}
	base, client := overHTTP2(t, auth.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		conns[r.RemoteAddr] = true
		mu.Unlock()
		show(w, r)
	})))
	ask{client: client}.do(t, base) // the connection is there
	names := map[string]string{canary: "caller", weakling: "weakling"}
	var group sync.WaitGroup
	for text, name := range names {
		for _, w := range ways(text) {
			w.ask.client = client
			for range 25 {
				group.Go(func() {
					a, err := w.ask.send(t.Context(), base+"/p"+w.query)
					var s sight
					if !assert.NoError(t, err) || !assert.NoError(t, json.Unmarshal([]byte(a.body), &s), a.body) {
						return
					}
					assert.Equal(t, 200, a.status, a.body)
					assert.Equal(t, name, s.Key)
					assert.Equal(t, w.wantDoc, s.Body)
					assert.NotContains(t, a.body, text)
				})
			}
		}
	}
	group.Wait()
	assert.Len(t, conns, 1)
}
