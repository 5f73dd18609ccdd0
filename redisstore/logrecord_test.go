package redisstore

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

func fullLogEntry() apikey.LogEntry {
	e := logEntryAt(logEpoch.Add(123456*time.Microsecond), 1)
	e.RequestID, e.Reason, e.Fingerprint, e.Query = "another", "forbidden", "0123", "a=1&\x00\xff"
	e.RequestBytes, e.ResponseBytes, e.Duration, e.Lost = -1, math.MaxInt64, math.MinInt64, 17
	e.Status = -599
	e.Request = apikey.LogBody{Text: "größe", Type: "text/plain", Truncated: true, Omitted: "the rest"}
	e.Response = apikey.LogBody{Text: strings.Repeat("x", 300), Type: "text/html", Omitted: "some"}
	e.Actor, e.Action, e.Detail = "code", apikey.ActionUpdate, "name"
	return e
}

func encodedLog(t testing.TB, e *apikey.LogEntry) (member, texts string) {
	t.Helper()
	id, err := parseLogID(e.ID)
	require.NoError(t, err)
	m, b := encodeLog(id, e)
	return string(m), string(b)
}

func decodedLog(t testing.TB, member, texts string) apikey.LogEntry {
	t.Helper()
	e, has, err := decodeLog(member)
	require.NoError(t, err)
	require.Equal(t, texts != "", has)
	if has {
		require.NoError(t, decodeLogTexts(&e, texts))
	}
	return e
}

func TestLogRecordKeepsEverything(t *testing.T) {
	full := fullLogEntry()
	cut := logEntryAt(logEpoch, 2)
	cut.Response.Truncated = true
	only := logEntryAt(logEpoch, 3)
	only.Response.Text = "x"
	for _, e := range []apikey.LogEntry{full, cut, only, logEntryAt(logEpoch, 4), {ID: full.ID, Time: full.Time}} {
		member, texts := encodedLog(t, &e)
		require.Equal(t, e, decodedLog(t, member, texts))
	}
}

// The places that scripts/log.lua names.
func TestLogRecordIsLaidOutAsTheScriptExpects(t *testing.T) {
	e := fullLogEntry()
	member, texts := encodedLog(t, &e)
	require.Equal(t, e.ID, logID(member[0:16]).String())
	count := len(member) + memberOverhead + len(texts)*5/4 + textsOverhead
	require.Equal(t, string([]byte{0, 0, byte(count >> 8), byte(count)}), member[16:20])
	require.Equal(t, byte(1), member[21]&1)
	e.Request.Text, e.Response.Text = "", ""
	member, texts = encodedLog(t, &e)
	require.Empty(t, texts)
	require.Equal(t, byte(0), member[21]&1)
}

func TestDamagedLogRecordsAreRefused(t *testing.T) {
	e := fullLogEntry()
	whole, texts := encodedLog(t, &e)
	for n := range whole {
		_, _, err := decodeLog(whole[:n])
		require.ErrorIs(t, err, errDamaged, "cut to %d bytes", n)
	}
	_, _, err := decodeLog(whole + "x")
	require.ErrorIs(t, err, errDamaged)
	_, _, err = decodeLog(whole[:20] + "\x02" + whole[21:])
	require.ErrorIs(t, err, errDamaged)
	require.ErrorIs(t, decodeLogTexts(&e, texts[:3]), errDamaged)
	require.ErrorIs(t, decodeLogTexts(&e, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), errDamaged)
}

func TestFirstLogID(t *testing.T) {
	first := func(at time.Time) time.Time { return firstLogID(at).time() }
	require.Equal(t, logEpoch, first(logEpoch))
	require.Equal(t, logEpoch.Add(time.Microsecond), first(logEpoch.Add(time.Nanosecond)))
	require.Equal(t, time.Unix(0, 0).UTC(), first(time.Time{}))
	require.Equal(t, time.Unix(0, 0).UTC(), first(time.Unix(-1, 999)))
	require.Equal(t, time.Unix(0, math.MaxInt64).UTC().Truncate(time.Microsecond), first(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func FuzzDecodeLog(f *testing.F) {
	for _, e := range []apikey.LogEntry{fullLogEntry(), logEntryAt(logEpoch, 1)} {
		member, texts := encodedLog(f, &e)
		f.Add(member, texts)
	}
	f.Fuzz(func(t *testing.T, member, texts string) {
		e, has, err := decodeLog(member)
		if err != nil || has && decodeLogTexts(&e, texts) != nil {
			return
		}
		again, texts := encodedLog(t, &e)
		require.Equal(t, e, decodedLog(t, again, texts))
	})
}
