package storetest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Proxy stands between clients and a server, and can fail as networks do.
type Proxy struct {
	Addr     string
	requests atomic.Int64

	mu     sync.Mutex
	target string
	conns  []net.Conn
	silent bool                      // nothing is passed on, and nothing closed
	loses  func(request []byte) bool // nil: no answer is to be lost
}

// StartProxy returns one that leads to the target until the test ends.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{Addr: l.Addr().String(), target: target}
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
		p.Redirect("")
	})
	return p
}

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	p.conns = append(p.conns, client, server)
	var lost atomic.Bool // the answer to come
	go p.pass(client, server, func(request []byte) bool {
		p.requests.Add(1)
		if p.losesAnswerTo(request) {
			lost.Store(true)
		}
		return true
	})
	go p.pass(server, client, func([]byte) bool { return !lost.Load() })
}

func (p *Proxy) pass(from, to net.Conn, goesOn func(data []byte) bool) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if p.isSilent() {
			continue
		}
		if !goesOn(buffer[:n]) {
			return
		}
		if p.isSilent() { // from this request on
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Requests returns how often a client has sent something that was passed on.
func (p *Proxy) Requests() int64 { return p.requests.Load() }

// Silence makes the proxy swallow everything, or pass it on again.
func (p *Proxy) Silence(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
}

func (p *Proxy) isSilent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silent
}

// SilenceAt makes the proxy swallow the next request that is such a one, and
// everything after it. The channel is closed then.
func (p *Proxy) SilenceAt(such func(request []byte) bool) (silent <-chan struct{}) {
	reached := make(chan struct{})
	p.LoseAnswer(func(request []byte) bool {
		if such(request) && !p.silent {
			p.silent = true
			close(reached)
		}
		return false
	})
	return reached
}

// Redirect cuts all connections, and makes the proxy lead to another server.
func (p *Proxy) Redirect(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for _, conn := range p.conns {
		_ = conn.Close()
	}
}

// LoseAnswer lets the next request that is such a one reach the server, and cuts
// the connection in place of the answer.
func (p *Proxy) LoseAnswer(such func(request []byte) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loses = such
}

// LosesAnswer reports whether there has been no such request yet.
func (p *Proxy) LosesAnswer() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loses != nil
}

func (p *Proxy) losesAnswerTo(request []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loses == nil || !p.loses(request) {
		return false
	}
	p.loses = nil
	return true
}
