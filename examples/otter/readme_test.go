package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const readmeBase = "http://127.0.0.1:8626"

// consoleBlocks are the transcripts of a Markdown text.
var consoleBlocks = regexp.MustCompile("(?s)```console\n(.*?)```")

// step is a command of a transcript, and what it prints.
type step struct{ command, output string }

func readmeSteps(t *testing.T) []step {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	return consoleSteps(string(readme))
}

func consoleSteps(page string) (steps []step) {
	for _, block := range consoleBlocks.FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: strings.TrimSpace(command)})
			} else {
				steps[len(steps)-1].output += line
			}
		}
	}
	return steps
}

// requireTool skips the test where the command is absent, and fails it where
// APIKEY_REQUIRE says that it must be there.
func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("APIKEY_REQUIRE"), ","), name) {
		t.Fatalf("%s is not installed, and APIKEY_REQUIRE names it", name)
	}
	t.Skipf("%s is not installed", name)
}

// TestReadme runs what the README shows of the example server, line by line.
func TestReadme(t *testing.T) {
	requireTool(t, "curl")
	steps := readmeSteps(t)
	require.Contains(t, steps[0].command, "OTTER_BOOTSTRAP_KEY=secure123 go run ./examples/otter")

	output := &lockedBuffer{}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, config{
			addr: "127.0.0.1:0", store: "sqlite:" + filepath.Join(t.TempDir(), "otter.db"),
			errors: "otter", bootstrapKey: "secure123",
		}, output)
	}()
	defer func() {
		stop()
		require.NoError(t, <-done)
	}()
	var base string
	require.Eventually(t, func() bool {
		_, after, found := strings.Cut(output.String(), "listening on ")
		base = strings.TrimSpace(after)
		return found
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, steps[0].output, strings.ReplaceAll(output.String(), base, readmeBase))

	ran := 0
	for _, s := range steps[1:] {
		if !strings.Contains(s.command, readmeBase) {
			continue
		}
		command := strings.ReplaceAll(s.command, readmeBase, base)
		got := shell(t, command)
		for deadline := time.Now().Add(10 * time.Second); strings.Contains(command, "/jobs/logs") && time.Now().Before(deadline) &&
			got != strings.TrimSpace(s.output); got = shell(t, command) {
			time.Sleep(10 * time.Millisecond) // a job takes a second, as whoever reads its log does
		}
		require.Equal(t, strings.TrimSpace(s.output), got, s.command)
		ran++
	}
	require.GreaterOrEqual(t, ran, 8)
}

// shell returns what a command prints, without white space around it.
func shell(t *testing.T, command string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "bash", "-c", command).Output()
	require.NoError(t, err, command)
	return strings.TrimSpace(string(output))
}

// TestReadmeProgram: the program in the README is the one that is tested.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	program, err := os.ReadFile("../quickstart/main.go")
	require.NoError(t, err)
	_, body, _ := strings.Cut(string(program), "package main")
	require.Contains(t, string(readme), "```go\npackage main"+body+"```")
	require.Less(t, strings.Count(string(program), "\n"), 40)
}

// lockedBuffer is a buffer that one goroutine writes and another reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
