package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// TestServer starts the example, takes the commands that it prints, and runs
// what they say.
func TestServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	store := apikey.NewMemoryStore()
	go func() { done <- run(t.Context(), store, listener, writer) }()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		require.ErrorIs(t, <-done, net.ErrClosed)
	})
	output := make([]byte, 1024)
	n, err := reader.Read(output)
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	words := regexp.MustCompile(`'X-ApiKey: (\S+)' (http://[^/]+)`).FindStringSubmatch(string(output[:n]))
	require.NotNil(t, words, "%s", output[:n])
	key, base := words[1], words[2]

	for _, row := range []struct {
		path, key string
		want      int
		body      string
	}{
		{"/variables/color", key, 200, "first asks for color"},
		{"/variables/color", "", 401, "No API key was given"},
		{"/variables/color", key[:len(key)-1], 401, "not valid"},
		{"/keys", key, 200, `"name":"first"`},
		{"/keys/", key, 200, `"name":"first"`},
		{"/keys/permissions", key, 200, "jobs:trigger"},
		{"/keys", "", 401, "No API key was given"},
	} {
		status, body := get(t, base+row.path, row.key)
		require.Equal(t, row.want, status, "%+v", row)
		require.Contains(t, body, row.body)
	}
	testLaterStart(t, store, key)
}

// testLaterStart: where the store holds a key, it goes on opening the server, and
// none is made or shown.
func testLaterStart(t *testing.T, store apikey.Store, key string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var output bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- run(t.Context(), store, listener, &output) }()
	status, body := get(t, "http://"+listener.Addr().String()+"/variables/color", key)
	require.Equal(t, 200, status, body)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, <-done, net.ErrClosed)
	require.Empty(t, output.String())
}

func get(t *testing.T, url, key string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("X-ApiKey", key)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, string(text)
}
