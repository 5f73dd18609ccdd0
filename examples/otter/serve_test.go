package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oneConn is a listener to whom one client has come.
type oneConn struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l oneConn) Close() error {
	close(l.closed)
	return nil
}

func (oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestClientThatDoesNotRead: its request is cut off once the time to drain is over,
// so that the handler ends, and the failure is told.
func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		listener := oneConn{make(chan net.Conn, 1), make(chan struct{})}
		listener.conns <- server
		ended := make(chan time.Time, 1)
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for err := error(nil); err == nil; {
				_, err = w.Write(make([]byte, 1<<10))
			}
			ended <- time.Now()
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- serve(ctx, listener, handler) }()
		_, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: otter\r\n\r\n")
		require.NoError(t, err)
		synctest.Wait() // until it is served, and blocks
		stop()
		told := time.Now()
		err = <-done
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "did not end in 10s")
		assert.Equal(t, drainTime, (<-ended).Sub(told))
	})
}
