package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// A fleet is the servers that were needed so far.
type fleet struct {
	dir     string
	heap    int
	servers map[string]*process
}

// A process is a server at work.
type process struct {
	cmd           *exec.Cmd
	url, statsURL string
	client        http.Client
}

// server returns the server of that name, which it starts where it has not yet.
func (f *fleet) server(ctx context.Context, name string) (*process, error) {
	if p := f.servers[name]; p != nil {
		return p, nil
	}
	dir := filepath.Join(f.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	//nolint:gosec // this program itself
	p := &process{cmd: exec.CommandContext(ctx, self, "-serve", name, "-heap", strconv.Itoa(f.heap), dir)}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	f.servers[name] = p
	err = p.ready(out)
	return p, err
}

// ready waits until the server has said where it listens.
func (p *process) ready(out io.Reader) error {
	_, err := fmt.Fscanf(bufio.NewReader(out), "%s %s\n", &p.url, &p.statsURL)
	if err != nil {
		return fmt.Errorf("the server did not start: %w", err)
	}
	return nil
}

func (f *fleet) stop() error {
	var errs []error
	for _, p := range f.servers {
		errs = append(errs, p.cmd.Process.Signal(syscall.SIGTERM), p.cmd.Wait())
	}
	return errors.Join(errs...)
}
