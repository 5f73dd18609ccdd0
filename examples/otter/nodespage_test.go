package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// nodesPage returns the steps that docs/nodes.md shows: those that start servers, and
// those that use them.
func nodesPage(t *testing.T) (servers, uses []step) {
	t.Helper()
	page, err := os.ReadFile("../../docs/nodes.md")
	require.NoError(t, err)
	for _, s := range consoleSteps(string(page)) {
		if strings.Contains(s.command, "go run ") {
			servers = append(servers, s)
		} else {
			uses = append(uses, s)
		}
	}
	require.Len(t, servers, 3)
	require.Greater(t, len(uses), 5)
	return servers, uses
}

// TestNodesPage runs what docs/nodes.md shows, on each store that it names.
func TestNodesPage(t *testing.T) {
	requireTool(t, "curl")
	const shown = "postgres://postgres@127.0.0.1:5432/otter"
	for name, open := range map[string]func(*testing.T) sharedStore{
		"PostgreSQL": postgresStore, "MariaDB": mariaStore, "Redis": redisStore,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			servers, uses := nodesPage(t)
			var actual []string // ports, and those on the page before them
			for _, s := range servers {
				before, args, _ := strings.Cut(s.command, "go run ./examples/otter ")
				flags := strings.Fields(strings.ReplaceAll(args, shown, store.flag))
				address := flags[1]
				flags[1] = "127.0.0.1:0"
				p := start(t, t.TempDir(), append(flags, strings.Fields(before)...)...)
				require.Equal(t, s.output, strings.ReplaceAll(p.output(), p.base, "http://"+address))
				_, port, _ := strings.Cut(address, ":")
				actual = append(actual, port, p.base[strings.LastIndex(p.base, ":")+1:])
			}
			const next = "-- next step --\n"
			var script, want strings.Builder
			for _, s := range uses {
				script.WriteString(s.command + "\nprintf '%s' '" + next + "'\n")
				want.WriteString(s.output + next)
			}
			command := exec.CommandContext(t.Context(), "bash", "-ec", strings.NewReplacer(actual...).Replace(script.String()))
			got, err := command.Output()
			require.NoError(t, err)
			require.Equal(t, want.String(), string(got))
		})
	}
}
