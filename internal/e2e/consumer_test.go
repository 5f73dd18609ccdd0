package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	root    = "github.com/seed-be062aaa/apikey"
	repo    = "../.."
	version = "v0.1.0" // the one that nested modules require
)

// released are the directories of the modules that are tagged.
var released = []string{".", "redisstore", "sqlstore/mysql", "sqlstore/postgres", "sqlstore/sqlite"}

// fileProxy lays out the released modules as a module proxy on disk and returns
// its URL.
func fileProxy(t *testing.T) string {
	t.Helper()
	proxy := t.TempDir()
	for _, dir := range released {
		m := module.Version{Path: path.Join(root, dir), Version: version}
		versions := filepath.Join(proxy, filepath.FromSlash(m.Path), "@v")
		require.NoError(t, os.MkdirAll(versions, 0o755))
		write := func(suffix string, data []byte) {
			require.NoError(t, os.WriteFile(filepath.Join(versions, suffix), data, 0o600))
		}
		mod, err := os.ReadFile(filepath.Join(repo, dir, "go.mod"))
		require.NoError(t, err)
		info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Now().UTC()})
		require.NoError(t, err)
		write("list", []byte(version+"\n"))
		write(version+".mod", mod)
		write(version+".info", info)
		archive, err := os.Create(filepath.Join(versions, version+".zip"))
		require.NoError(t, err)
		require.NoError(t, zip.CreateFromDir(archive, m, filepath.Join(repo, dir)))
		require.NoError(t, archive.Close())
	}
	return "file://" + filepath.ToSlash(proxy)
}

// A consumer is a fresh module that gets the released ones from a proxy.
type consumer struct {
	t   *testing.T
	dir string
	env []string
}

func newConsumer(t *testing.T) *consumer {
	t.Helper()
	goenv := func(name string) string {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(value))
	}
	cache := filepath.ToSlash(filepath.Join(goenv("GOMODCACHE"), "cache", "download"))
	c := &consumer{t: t, dir: t.TempDir(), env: append(
		os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod -modcacherw -trimpath", "GONOSUMDB="+root,
		// A cache of its own, or the version tested would stay in the user's.
		"GOMODCACHE="+t.TempDir(),
		"GOPROXY="+fileProxy(t)+",file://"+cache+","+goenv("GOPROXY"),
	)}
	c.write("go.mod", "module example.com/consumer\n\ngo 1.26.0\n")
	return c
}

func (c *consumer) write(name, text string) {
	c.t.Helper()
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600))
}

func (c *consumer) run(args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	output, err := cmd.CombinedOutput()
	require.NoError(c.t, err, "go %s: %s", strings.Join(args, " "), output)
	return string(output)
}

// modules lists what the consumer sees beside itself.
func (c *consumer) modules() []string {
	c.t.Helper()
	c.run("mod", "tidy")
	return strings.Split(strings.TrimSpace(c.run("list", "-m", "all")), "\n")[1:]
}

// TestConsumerOfRoot: who imports the root sees four modules.
func TestConsumerOfRoot(t *testing.T) {
	c := newConsumer(t)
	c.write("main.go", `package main

import (
	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

func main() { println(apikey.Native, admin.ByKey(nil) != nil, sqlstore.Options{}.Prefix) }
`)
	require.Len(t, c.modules(), 4)
	c.run("vet", "./...")
}

// TestConsumerOfNested: each nested module can be required by itself.
func TestConsumerOfNested(t *testing.T) {
	for _, dir := range released[1:] {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			c := newConsumer(t)
			c.write("main.go", fmt.Sprintf("package main\n\nimport _ %q\n\nfunc main() {}\n", path.Join(root, dir)))
			require.Contains(t, strings.Join(c.modules(), "\n"), path.Join(root, dir)+" "+version)
			c.run("list", "-deps", "./...") // which fails where a package is missing
		})
	}
}

var goBlocks = regexp.MustCompile("(?s)```go\n(.*?)```")

const (
	// statements is a file around a block of statements, which may use these names.
	statements = `package snippets

import (
	"context"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
)

var (
	ctx    context.Context
	store  apikey.Store
	auth   *apikey.Authority
	r      chi.Router
	router chi.Router
	npm    http.Handler
	err    error
	req    *http.Request
	t      *testing.T
	open   func(*testing.T) apikey.Store
	_      = apikeytest.WithKey
)

func _() {
%s}
`
	// declarations is a file around a block of types and functions.
	declarations = `package snippets

import (
	"context"
	"database/sql"
	"errors"

	"github.com/seed-be062aaa/apikey"
)

%s`
)

// asFile makes a block of the README a file of its own.
func asFile(block string) string {
	switch {
	case strings.HasPrefix(block, "package "):
		return block
	case strings.HasPrefix(block, "type "):
		return fmt.Sprintf(declarations, block)
	default:
		return fmt.Sprintf(statements, strings.ReplaceAll(block, "auth, err :=", "auth, err ="))
	}
}

// TestReadmeVets: every Go block of the README is a program, or statements, that
// a consumer can compile.
func TestReadmeVets(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(repo, "README.md"))
	require.NoError(t, err)
	c := newConsumer(t)
	blocks := goBlocks.FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	for i, block := range blocks {
		dir := fmt.Sprintf("block%d", i)
		require.NoError(t, os.Mkdir(filepath.Join(c.dir, dir), 0o755))
		c.write(filepath.Join(dir, "block.go"), asFile(block[1]))
	}
	c.run("mod", "tidy")
	c.run("vet", "./...")
}
