// Package storetest is what the tests of several stores have in common: servers that
// may be absent, a network that fails, watches, and nodes which share a store. Only
// tests import it. The contract of stores is in package apikeytest.
package storetest

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/race"
)

// Need skips the test where err says that what it needs is absent, unless
// APIKEY_REQUIRE, a list with commas, has its name: then the test fails. The text
// says what is absent, and how to point the test to another.
func Need(t testing.TB, name, text string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv("APIKEY_REQUIRE"), ","), name):
		t.Fatalf("%s; APIKEY_REQUIRE asks for %s: %v", text, name, err)
	default:
		t.Skipf("%s; APIKEY_REQUIRE=%s makes this a failure", text, name)
	}
}

// NeedProgram is [Need] for a program that a test starts.
func NeedProgram(t testing.TB, name, program string) {
	t.Helper()
	_, err := exec.LookPath(program)
	Need(t, name, program+" is not on PATH", err)
}

// SkipUnderRaceDetector skips a test that shows another way of talking to a database, by
// code whose races other tests see, and that takes up to twenty times as long so.
func SkipUnderRaceDetector(t testing.TB) {
	t.Helper()
	if race.Enabled() {
		t.Skip("it takes too long with the race detector; it runs without")
	}
}

// FreePort returns a port of 127.0.0.1 that nobody listens at.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// NewKey returns a key of the first version, which its own ID opens.
func NewKey(id string) *apikey.Key {
	return &apikey.Key{ID: id, Version: 1, Credentials: []apikey.Credential{{Digest: apikey.DigestOf(id)}}}
}

// CloseAfter closes c when the test ends.
func CloseAfter(t testing.TB, c interface{ Close() error }) {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, c.Close()) })
}
