package mysql

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A proxy stands between a client and a server, can fall silent, and can withhold
// the answer to a commit.
type proxy struct {
	addr, target string
	asked        atomic.Int64 // how often a client has sent something

	mu     sync.Mutex
	conns  []net.Conn
	silent bool // nothing is passed on, and nothing closed
	commit bool // the next answer to a commit is not passed on, and its connection cut
}

func startProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{addr: l.Addr().String(), target: target}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.serve(client)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, conn := range p.conns {
			_ = conn.Close()
		}
	})
	return p
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, client, server)
	var committed atomic.Bool
	go p.pass(client, server, &p.asked, func(asked []byte) bool {
		asked = bytes.ReplaceAll(bytes.ToUpper(asked), []byte("READ COMMITTED"), nil)
		if bytes.Contains(asked, []byte("COMMIT")) && p.cuts() {
			committed.Store(true)
		}
		return true
	})
	go p.pass(server, client, &atomic.Int64{}, func([]byte) bool { return !committed.Load() })
}

// cuts reports whether this commit is the one to be cut after.
func (p *proxy) cuts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	cuts := p.commit
	p.commit = false
	return cuts
}

// cutAfterCommit lets the next commit reach the server, and its answer get lost.
func (p *proxy) cutAfterCommit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commit = true
}

func (p *proxy) pass(from, to net.Conn, count *atomic.Int64, goesOn func(data []byte) bool) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		count.Add(1)
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		if silent {
			continue
		}
		if !goesOn(buffer[:n]) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// silence makes the proxy swallow everything, or pass it on again.
func (p *proxy) silence(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
}
