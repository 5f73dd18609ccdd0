package redisstore

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A proxy stands between a client and a server, and can fail as networks do.
type proxy struct {
	addr string

	mu       sync.Mutex
	target   string
	conns    []net.Conn
	silent   bool // nothing is passed on, and nothing closed
	cutReply bool // the next reply is withheld and its connection cut
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

// storeThroughProxy returns an empty store in the shared Redis, and what stands in
// between.
func storeThroughProxy(t *testing.T) (*proxy, *Store) {
	t.Helper()
	client := shared(t)
	p := startProxy(t, client.Options().Addr)
	return p, storeAt(t, connect(t, p.addr), newPrefix(t, client))
}

func (p *proxy) serve(client net.Conn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	go p.pass(client, server, false)
	go p.pass(server, client, true)
}

func (p *proxy) pass(from, to net.Conn, replies bool) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		silent, cut := p.silent, replies && p.cutReply
		if cut {
			p.cutReply = false
		}
		p.mu.Unlock()
		if cut {
			return
		}
		if silent {
			continue
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

// redirect cuts all connections, and makes the proxy lead to another server.
func (p *proxy) redirect(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for _, conn := range p.conns {
		_ = conn.Close()
	}
}

// cutNextReply lets the next command be carried out and its answer get lost.
func (p *proxy) cutNextReply() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutReply = true
}

// pending reports whether a reply is still to be cut.
func (p *proxy) pending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cutReply
}
