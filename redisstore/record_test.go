package redisstore

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

func fullKey() *apikey.Key {
	at := time.Date(2026, 3, 29, 1, 30, 0, 123456000, time.UTC)
	return &apikey.Key{
		ID: "01", Name: "nightly", Description: "build\x00\xff", Subject: strings.Repeat("é", 100),
		Permissions: []apikey.Permission{"jobs:view", "variables"},
		Logging:     apikey.LogBoth,
		Metadata:    map[string]string{"team": "build", "": ""},
		Disabled:    true,
		CreatedAt:   at, UpdatedAt: at.Add(1000), ExpiresAt: at.AddDate(30, 0, 0), RevokedAt: time.Unix(0, 0).UTC(),
		LastUsedAt: time.Unix(-1, 0).UTC(),
		Version:    1<<62 + 1,
		Credentials: []apikey.Credential{
			{Digest: apikey.DigestOf("a"), Hint: "abcd", CreatedAt: at},
			{Digest: apikey.DigestOf("b"), Weak: true, ExpiresAt: at},
		},
	}
}

func recordOf(t testing.TB, key *apikey.Key) string {
	t.Helper()
	record, err := encode(key)
	require.NoError(t, err)
	return string(record)
}

func TestRecordKeepsEverything(t *testing.T) {
	for _, key := range []*apikey.Key{fullKey(), newKey("k"), {Credentials: []apikey.Credential{}}} {
		got, err := decode(recordOf(t, key))
		require.NoError(t, err)
		require.Equal(t, key, got)
	}
	many := newKey("many")
	many.Credentials = make([]apikey.Credential, 255)
	got, err := decode(recordOf(t, many))
	require.NoError(t, err)
	require.Len(t, got.Credentials, 255)
	many.Credentials = make([]apikey.Credential, 256)
	_, err = encode(many)
	require.ErrorContains(t, err, "256 credentials")
}

// The places that scripts/common.lua names.
func TestRecordIsLaidOutAsScriptsExpect(t *testing.T) {
	key := fullKey()
	r := recordOf(t, key)
	a, b := apikey.DigestOf("a"), apikey.DigestOf("b")
	require.Equal(t, "\x01\x01", r[0:2])
	require.Equal(t, string(version(key.Version)), r[2:10])
	require.Equal(t, string(appendTime(nil, key.CreatedAt)), r[10:18])
	require.Equal(t, string(appendTime(nil, key.LastUsedAt)), r[18:26])
	require.Equal(t, "\x02"+string(a[:])+string(b[:]), r[34:34+1+64])
	key.RevokedAt = time.Time{}
	require.Equal(t, byte(0), recordOf(t, key)[1])
}

func TestTimesSortByTheirBytes(t *testing.T) {
	last := string(appendTime(nil, time.Time{}))
	for _, at := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Unix(0, -1000), time.Unix(0, 0), time.Unix(0, 1000),
		time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
	} {
		next := string(appendTime(nil, at))
		require.Greater(t, next, last)
		last = next
	}
}

func TestDamagedRecordsAreRefused(t *testing.T) {
	whole := recordOf(t, fullKey())
	for n := range whole {
		_, err := decode(whole[:n])
		require.ErrorIs(t, err, errDamaged, "cut to %d bytes", n)
	}
	_, err := decode(whole + "x")
	require.ErrorIs(t, err, errDamaged)
	_, err = decode("\x02" + whole[1:])
	require.ErrorIs(t, err, errDamaged)
	// A length of 2^63 at the first text.
	_, err = decode(whole[:99] + strings.Repeat("\xff", 9) + "\x01")
	require.ErrorIs(t, err, errDamaged)
}

func TestDamagedLengthsCostNoMemory(t *testing.T) {
	whole := recordOf(t, newKey("k"))
	for n := range whole {
		bent := whole[:n] + "\xff\xff\xff\xff\x07" + whole[n+1:]
		allocated := testing.AllocsPerRun(1, func() { _, _ = decode(bent) })
		require.Less(t, allocated, 10.0)
	}
}

func FuzzDecode(f *testing.F) {
	for _, key := range []*apikey.Key{fullKey(), newKey("k"), {}} {
		f.Add(recordOf(f, key))
	}
	f.Fuzz(func(t *testing.T, record string) {
		key, err := decode(record)
		if err != nil {
			return
		}
		again, err := decode(recordOf(t, key))
		require.NoError(t, err)
		require.Equal(t, key, again)
	})
}
