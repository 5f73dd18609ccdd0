package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests in this file drive the server as a process of its own.

var binaryDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "otter")
	if err != nil {
		panic(err)
	}
	binaryDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// buildOtter builds the server, with the race detector if the tests have it too: a
// race then shows as an exit code.
var buildOtter = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "otter")
	args := []string{"build", "-o", path}
	race := debug.BuildSetting{Key: "-race", Value: "true"}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, race) {
		args = append(args, "-race")
	}
	output, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return path, nil
})

// A process is a running otter.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	base           string // http://ADDR, once it is ready
	stdout, stderr transcript
	ended          chan struct{}
}

// A transcript gathers what a process writes.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// launch starts a process in dir, and waits for nothing. An argument of the form
// NAME=VALUE goes into its environment.
func launch(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	path, err := buildOtter()
	require.NoError(t, err)
	p := &process{t: t, cmd: exec.Command(path), ended: make(chan struct{})}
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, bootstrapEnv+"=") })
	p.cmd.Env = append(p.cmd.Env, "GORACE=atexit_sleep_ms=0") // or it sleeps a second before it exits
	for _, arg := range args {
		if strings.HasPrefix(arg, "OTTER_") {
			p.cmd.Env = append(p.cmd.Env, arg)
		} else {
			p.cmd.Args = append(p.cmd.Args, arg)
		}
	}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.stdout, &p.stderr
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // its state is in p.cmd
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// start starts a process on a free port, and waits until it serves.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := launch(t, dir, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	p.waitReady()
	return p
}

var listening = regexp.MustCompile(`(?m)^listening on (http://\S+)$`)

func (p *process) waitReady() {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if match := listening.FindStringSubmatch(p.stdout.String()); match != nil {
			p.base = match[1]
			return
		}
		select {
		case <-p.ended:
			require.FailNow(p.t, "it ended before it was ready", p.output())
		default:
			require.True(p.t, time.Now().Before(deadline), "not ready in time: %s", p.output())
		}
	}
}

// output is all that p has written.
func (p *process) output() string { return p.stdout.String() + p.stderr.String() }

// wait returns the exit code of a process that is about to end.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		require.FailNow(p.t, "it does not end", p.output())
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop ends the process as an operator would.
func (p *process) stop() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(p.t, 0, p.wait(), p.output())
	require.Empty(p.t, p.stderr.String())
}

// kill ends it as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Kill())
	p.wait()
}

// send sends a request; path is below the process's address.
func (p *process) send(method, path, key, body string) (answer, error) {
	r, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("X-ApiKey", key)
	r.Header.Set("Content-Type", typeJSON)
	return roundTrip(r)
}

var processClient = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   20 * time.Second,
}

func roundTrip(r *http.Request) (answer, error) {
	resp, err := processClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, err
}

// call is send where the network must not fail.
func (p *process) call(method, path, key, body string) answer {
	p.t.Helper()
	got, err := p.send(method, path, key, body)
	require.NoError(p.t, err)
	return got
}

// opens reports whether the key has full control of p.
func (p *process) opens(key string) bool {
	p.t.Helper()
	return p.call("GET", "/api/json/Servers_GetServers", key, "").status == 200
}

// listedKey is what the tests read of a key in the management API.
type listedKey struct {
	ID, Name   string
	Hints      []string
	LastUsedAt *time.Time
}

func (p *process) keys(key string) []listedKey {
	p.t.Helper()
	got := p.call("GET", "/api/api-keys?limit=200", key, "")
	require.Equal(p.t, 200, got.status, got.body)
	var list struct{ Keys []listedKey }
	require.NoError(p.t, json.Unmarshal([]byte(got.body), &list))
	return list.Keys
}

// create makes a key that may view jobs.
func (p *process) create(admin string) (id, secret string, err error) {
	got, err := p.send("POST", "/api/api-keys", admin, `{"permissions":["jobs:view"]}`)
	if err != nil {
		return "", "", err
	}
	var made struct {
		Key    listedKey
		Secret string
	}
	if err := json.Unmarshal([]byte(got.body), &made); err != nil || got.status != 201 {
		return "", "", fmt.Errorf("%w: %d %s", errRefused, got.status, got.body)
	}
	return made.Key.ID, made.Secret, nil
}

// errRefused: the server did answer, but not as it should.
var errRefused = errors.New("refused")

// firstKey matches the line that shows the key of a first start.
var firstKey = regexp.MustCompile(`(?m)^\s*(otter_[0-9A-Za-z]+)$`)

func (p *process) firstKey() string {
	p.t.Helper()
	matches := firstKey.FindAllStringSubmatch(p.stdout.String(), -1)
	require.Len(p.t, matches, 1, p.output())
	return matches[0][1]
}

var (
	curlLine = regexp.MustCompile(`(?m)^\s*curl .*$`)
	shellArg = regexp.MustCompile(`'[^']*'|[^\s']+`)
)

// tryCurl does what the line does that tells the operator how to go on.
func (p *process) tryCurl() answer {
	p.t.Helper()
	lines := curlLine.FindAllString(p.stdout.String(), -1)
	require.Len(p.t, lines, 1, p.output())
	r, err := http.NewRequest("GET", "", http.NoBody)
	require.NoError(p.t, err)
	args := shellArg.FindAllString(lines[0], -1)[1:]
	for i := 0; i < len(args); i++ {
		if args[i] == "-H" {
			i++
			name, value, _ := strings.Cut(strings.Trim(args[i], "'"), ": ")
			r.Header.Set(name, value)
			continue
		}
		r.URL, err = r.URL.Parse(strings.Trim(args[i], "'"))
		require.NoError(p.t, err)
	}
	got, err := roundTrip(r)
	require.NoError(p.t, err, lines[0])
	return got
}

// TestFirstStart: an empty store gets one key, shown once; later starts find it.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir)
	key := p.firstKey()
	assert.Equal(t, 2, strings.Count(p.output(), key), "by itself and in the curl line: %s", p.output())
	got := p.tryCurl()
	assert.Equal(t, 200, got.status)
	assert.Contains(t, got.body, "mdapxsv")
	assert.Equal(t, 200, p.call("GET", "/health", "", "").status)
	assert.False(t, p.opens(key+"x"))
	p.stop()
	assertKept(t, dir, key)

	p = start(t, dir)
	assert.Equal(t, "listening on "+p.base+"\n", p.output(), "a later start has nothing else to say")
	assert.True(t, p.opens(key))
	p.stop()
}

// assertKept: the store is otter.db, for its owner alone, and without the secret.
func assertKept(t *testing.T, dir, secret string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		assert.True(t, strings.HasPrefix(file.Name(), "otter.db"), file.Name())
		info, err := file.Info()
		require.NoError(t, err)
		assert.Zero(t, info.Mode()&0o077, "%s is for its owner alone", file.Name())
		data, err := os.ReadFile(filepath.Join(dir, file.Name()))
		require.NoError(t, err)
		assert.False(t, bytes.Contains(data, []byte(secret)), "%s holds the key", file.Name())
	}
}

// TestMemoryStore: everything works, and nothing is left.
func TestMemoryStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "-store", "memory:")
	first := p.firstKey()
	assert.Equal(t, 200, p.tryCurl().status)
	_, secret, err := p.create(first)
	require.NoError(t, err)
	assert.Equal(t, 404, p.call("GET", "/api/jobs/status?token=none", secret, "").status, "allowed, but no such job")
	require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
	assert.Equal(t, 0, p.wait(), "an interrupt ends it like SIGTERM: %s", p.output())

	p = start(t, dir, "-store", "memory:")
	assert.NotEqual(t, first, p.firstKey())
	assert.False(t, p.opens(first))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files)
}

// TestBootstrapKey: whoever sets the first key knows it, so it is printed nowhere.
func TestBootstrapKey(t *testing.T) {
	t.Parallel()
	const key, other = "Correct Horse: 'Battery' 9", "Another Horse 10"
	for name, args := range map[string][]string{
		"environment":                     {bootstrapEnv + "=" + key},
		"flag":                            {"-bootstrap-key", key},
		"the flag before the environment": {"-bootstrap-key=" + key, bootstrapEnv + "=" + other},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := start(t, dir, args...)
			assert.NotContains(t, p.output(), "Horse")
			assert.NotContains(t, p.output(), "curl")
			assert.True(t, p.opens(key))
			assert.False(t, p.opens(other))
			assert.Len(t, p.keys(key), 1)
			p.stop()
			assertKept(t, dir, key)

			p = start(t, dir, args...)
			assert.Equal(t, "listening on "+p.base+"\n", p.output(), "it is the key of the store already")
			p.stop()

			p = start(t, dir, bootstrapEnv+"="+other)
			lines := strings.SplitAfter(p.output(), "\n")
			require.Len(t, lines, 3, "one line more than without it: %q", lines)
			assert.Contains(t, lines[0], "ignored")
			assert.NotContains(t, p.output(), "Horse")
			assert.False(t, p.opens(other))
			assert.True(t, p.opens(key))
			assert.Len(t, p.keys(key), 1)
			p.stop()
		})
	}
}

// TestIllegalBootstrapKey: it is refused, not repeated, and does not use up the
// first start.
func TestIllegalBootstrapKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, key := range []string{"horse ", " horse", "ho\trse", "horse\n", strings.Repeat("horse", 52), "hor\xffse"} {
		p := launch(t, dir, "-addr", "127.0.0.1:0", bootstrapEnv+"="+key)
		assert.NotZero(t, p.wait(), "%q", key)
		assert.Empty(t, p.stdout.String())
		assert.Equal(t, 1, strings.Count(p.stderr.String(), "\n"), p.stderr.String())
		assert.NotContains(t, p.stderr.String(), strings.TrimSpace(key))
		assert.Contains(t, p.stderr.String(), "256 bytes", "it says what is legal")
	}
	p := start(t, dir)
	assert.True(t, p.opens(p.firstKey()))
}

// TestFailedStartShowsNoKey: a key that was shown by a server that never served
// would be lost to an operator who looks at the next start only.
func TestFailedStartShowsNoKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	p := launch(t, dir, "-addr", taken.Addr().String())
	assert.NotZero(t, p.wait())
	assert.Empty(t, p.stdout.String())
	assert.Contains(t, p.stderr.String(), taken.Addr().String())
	p = start(t, dir)
	assert.True(t, p.opens(p.firstKey()))
}

// TestManyFirstStarts: of nodes that start at once on one empty store, one makes
// the key, and all accept it.
func TestManyFirstStarts(t *testing.T) {
	t.Parallel()
	for range 3 {
		dir := t.TempDir()
		var nodes []*process
		for range 3 {
			nodes = append(nodes, launch(t, dir, "-addr", "127.0.0.1:0"))
		}
		var shown []string
		for _, p := range nodes {
			p.waitReady()
			for _, match := range firstKey.FindAllStringSubmatch(p.output(), -1) {
				shown = append(shown, match[1])
			}
		}
		require.Len(t, shown, 1)
		for _, p := range nodes {
			assert.True(t, p.opens(shown[0]))
			assert.Len(t, p.keys(shown[0]), 1)
		}
		for _, p := range nodes {
			p.stop()
		}
	}
}

// TestManyBootstrapKeys: of nodes that were given different keys, one wins, and
// the others say that theirs is ignored.
func TestManyBootstrapKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	texts := []string{"the first text", "the second text"}
	var nodes []*process
	for _, text := range texts {
		nodes = append(nodes, launch(t, dir, "-addr", "127.0.0.1:0", bootstrapEnv+"="+text))
	}
	made := ""
	for i, p := range nodes {
		p.waitReady()
		if !strings.Contains(p.output(), "ignored") {
			assert.Empty(t, made, "only one wins")
			made = texts[i]
		}
	}
	for _, p := range nodes {
		for _, text := range texts {
			assert.Equal(t, text == made, p.opens(text))
		}
	}
}

// TestStyles: -errors says how the API refuses; the management API has its own.
func TestStyles(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]verdict{
		"":                {status: 403, body: otterRefusal},
		"-errors=otter":   {status: 403, body: otterRefusal},
		"-errors=problem": {status: 401},
	} {
		p := start(t, t.TempDir(), append(strings.Fields(args), "-store=memory:")...)
		for _, key := range []string{"", "wrong"} {
			assert.Empty(t, want.differs(p.call("GET", "/api/jobs/trigger?template=hdars", key, "")), args)
			assert.Empty(t, verdict{status: 401}.differs(p.call("GET", "/api/api-keys", key, "")), args)
		}
		p.stop()
	}
}

// TestBadArguments: each ends the program with a line that says what is legal.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	for args, says := range map[string][]string{
		"-store nope:":             {`"nope:…"`, "memory:", "sqlite:FILE"},
		"-store otter.db":          {"-store: legal are", "memory:", "sqlite:FILE"},
		"-store sqlite:":           {`"sqlite:…"`, "sqlite:FILE"},
		"-store memory:x":          {`"memory:…"`, "memory:"},
		"-store sqlite::memory:":   {"memory"},
		"-store sqlite:none/x.db":  {"none/x.db"},
		"-store sqlite:.":          {"sqlite"},
		"-store sqlite:garbage":    {"not a database"},
		"-errors x":                {`"x"`, "otter", "problem"},
		"-errors=":                 {`""`, "otter", "problem"},
		"more":                     {`"more"`},
		"-store host=h password=x": {`argument "password";`}, // without quotes around the DSN
		"-store memory: -- more":   {`"more"`},
		"-addr nope":               {"nope"},
		"-addr 127.0.0.1:99999":    {"99999"},
		"-addr otter.invalid:80":   {"otter.invalid"},
		"-addr=":                   {`""`, "HOST:PORT"},
		"-addr :":                  {`":"`, "HOST:PORT"},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			garbage := bytes.Repeat([]byte("no database "), 1000)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "garbage"), garbage, 0o600))
			p := launch(t, dir, append([]string{"-addr", "127.0.0.1:0"}, strings.Fields(args)...)...)
			assert.Positive(t, p.wait())
			assert.Empty(t, p.stdout.String())
			assert.Equal(t, 1, strings.Count(p.stderr.String(), "\n"), "one line: %s", p.stderr.String())
			for _, part := range says {
				assert.Contains(t, p.stderr.String(), part)
			}
		})
	}
}

// TestHelp names the flags and what they are when not given.
func TestHelp(t *testing.T) {
	t.Parallel()
	p := launch(t, t.TempDir(), "-h")
	assert.Zero(t, p.wait())
	for _, part := range []string{
		"-addr", "127.0.0.1:8626", "-store", "sqlite:otter.db", "-errors", "/api/api-keys", "-bootstrap-key",
	} {
		assert.Contains(t, p.output(), part)
	}
	p = launch(t, t.TempDir(), "-nope")
	assert.Positive(t, p.wait())
	assert.Contains(t, p.stderr.String(), "-nope")
}

// An unfinished request waits for its end to be sent.
type unfinished struct {
	conn   net.Conn
	reader *bufio.Reader
	rest   string
}

// upload sends half of a request to set variables. It returns once the server
// reads the body, which it asks for only then.
func (p *process) upload(header, body string) *unfinished {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
	require.NoError(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	require.NoError(p.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	half := len(body) / 2
	_, err = fmt.Fprintf(conn, "PUT /api/variables/global HTTP/1.1\r\nHost: otter\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n%s\r\n", len(body), header)
	require.NoError(p.t, err)
	reader := bufio.NewReader(conn)
	asked, err := http.ReadResponse(reader, nil)
	require.NoError(p.t, err)
	require.Equal(p.t, 100, asked.StatusCode)
	_, err = io.WriteString(conn, body[:half])
	require.NoError(p.t, err)
	return &unfinished{conn, reader, body[half:]}
}

// finish sends the rest, and returns the status of the answer.
func (u *unfinished) finish(t *testing.T) int {
	t.Helper()
	_, err := io.WriteString(u.conn, u.rest)
	require.NoError(t, err)
	resp, err := http.ReadResponse(u.reader, nil)
	require.NoError(t, err)
	resp.Body.Close()
	return resp.StatusCode
}

// stall sends a request that needs no body to be refused, and not the one that it
// announces.
func (p *process) stall() {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
	require.NoError(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, "POST /api/jobs/trigger HTTP/1.1\r\nHost: otter\r\nX-ApiKey: wrong\r\nContent-Length: 100\r\n\r\n")
	require.NoError(p.t, err)
}

// TestSIGTERM: requests in flight are served to their end, also those that are not
// authenticated yet, no last use is lost, and a client that stalls holds nothing up.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const admin = "the administrator's"
	p := start(t, dir, bootstrapEnv+"="+admin)
	for _, key := range []string{"in the handler", "in the guard"} {
		got := p.call("POST", "/api/api-keys", admin, fmt.Sprintf(`{"permissions":["variables"],"key":%q,"name":%[1]q}`, key))
		require.Equal(t, 201, got.status, got.body)
	}
	p.stall()
	requests := []*unfinished{
		p.upload("X-ApiKey: in the handler\r\n", `{"a":"1"}`),
		p.upload("", `{"a":"2","API_Key":"in the guard"}`),
	}

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		_, err := p.send("GET", "/health", "", "")
		return err != nil
	}, 5*time.Second, 5*time.Millisecond, "no new connections")
	for i, r := range requests {
		assert.Equal(t, 200, r.finish(t), "request %d", i)
	}
	assert.Equal(t, 0, p.wait(), p.output())
	assert.Empty(t, p.stderr.String())

	p = start(t, dir)
	for _, key := range p.keys(admin) {
		if assert.NotNil(t, key.LastUsedAt, "key %q was used", key.Name) {
			assert.WithinDuration(t, time.Now(), *key.LastUsedAt, time.Minute)
		}
	}
	p.stop()
}

// A ledger holds what a server has acknowledged.
type ledger struct {
	mu            sync.Mutex
	alive, ended  []string
	acknowledged  int
	unexpectedErr error
}

// note keeps a secret in one of the lists.
func (l *ledger) note(list *[]string, secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged++
	*list = append(*list, secret)
}

// fail keeps an error that no cut connection explains.
func (l *ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, errRefused) {
		l.unexpectedErr = err
	}
}

// mint makes keys, and revokes every third, until the server is gone.
func (l *ledger) mint(p *process, admin string) {
	for i := 0; ; i++ {
		id, secret, err := p.create(admin)
		if err != nil {
			l.fail(err)
			return
		}
		if i%3 != 0 {
			l.note(&l.alive, secret)
			continue
		}
		got, err := p.send("POST", "/api/api-keys/"+id+"/revoke", admin, "{}")
		if err == nil && got.status != 200 {
			err = fmt.Errorf("%w: %d %s", errRefused, got.status, got.body)
		}
		if err != nil {
			l.fail(err)
			return
		}
		l.note(&l.ended, secret)
	}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acknowledged
}

// TestKill: what was acknowledged holds, however suddenly the process ends.
func TestKill(t *testing.T) {
	t.Parallel()
	const admin = "the administrator's"
	dir := t.TempDir()
	var l ledger
	for round := range 4 {
		p := start(t, dir, bootstrapEnv+"="+admin)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { l.mint(p, admin) })
		}
		enough := (round + 1) * 20
		require.Eventually(t, func() bool { return l.count() >= enough }, 10*time.Second, time.Millisecond)
		p.kill()
		group.Wait()
		require.NoError(t, l.unexpectedErr)

		p = start(t, dir)
		l.verify(p)
		for _, key := range p.keys(admin) {
			assert.True(t, key.Name != "" || len(key.Hints) == 1, "key %s is whole", key.ID)
		}
		p.kill()
	}
}

// verify tries every key that was acknowledged.
func (l *ledger) verify(p *process) {
	p.t.Helper()
	require.NotEmpty(p.t, l.alive)
	require.NotEmpty(p.t, l.ended)
	for _, secret := range l.alive {
		got := p.call("GET", "/api/jobs/status?token=none", secret, "")
		require.Equal(p.t, 404, got.status, "allowed, but no such job: %s%s", got.body, p.output())
	}
	for _, secret := range l.ended {
		got := p.call("GET", "/api/jobs/status?token=none", secret, "")
		require.Equal(p.t, 403, got.status, "revoked for good: %s%s", got.body, p.output())
	}
}
