package sqltest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Role is what a test's binary does, started again by the test, instead of
// running tests. It prints lines.
type Role func(ctx context.Context, dsn, name string) error

// Main runs the tests, or the role that [Start] was given.
func Main(m *testing.M, roles map[string]Role) {
	role := os.Getenv("STORE_TEST_ROLE")
	if role == "" {
		m.Run()
		return
	}
	if err := roles[role](context.Background(), os.Getenv("STORE_TEST_DSN"), os.Getenv("STORE_TEST_NAME")); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// A Process plays a role.
type Process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

// Start starts a process, which is killed when the test ends.
func Start(t *testing.T, role, dsn, name string) *Process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE="+role, "STORE_TEST_DSN="+dsn, "STORE_TEST_NAME="+name)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &Process{cmd, stdin, bufio.NewScanner(stdout)}
	t.Cleanup(func() {
		p.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// Line returns the next line.
func (p *Process) Line(t *testing.T) string {
	t.Helper()
	require.True(t, p.lines.Scan(), "the process ended without a line")
	return p.lines.Text()
}

// Release ends the input, which some roles wait for.
func (p *Process) Release() { _ = p.stdin.Close() }

// Kill ends the process, as the loss of power would.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// LinesUntilKilled returns all lines to come, and kills the process after a while.
func (p *Process) LinesUntilKilled(t *testing.T, after time.Duration) (lines []string) {
	t.Helper()
	time.AfterFunc(after, p.Kill)
	for p.lines.Scan() {
		lines = append(lines, p.lines.Text())
	}
	require.Error(t, p.cmd.Wait(), "killed")
	return lines
}
