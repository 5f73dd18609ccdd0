package redisstore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
)

func TestLogKeepsTheContract(t *testing.T) {
	client := shared(t)
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		return newLog(t, client, keepAll)
	})
}

func TestLogOverHostClientKeepsTheContract(t *testing.T) {
	o := *shared(t).Options()
	client := redis.NewClient(&redis.Options{Addr: o.Addr, Protocol: 2, DB: 9, PoolSize: 3})
	closeAfter(t, client)
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		return newLog(t, client, keepAll)
	})
}

func TestLogInClusterKeepsTheContract(t *testing.T) {
	client := startCluster(t)
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		return newLog(t, client, keepAll)
	})
}

func TestLogOptionsAreValidated(t *testing.T) {
	_, err := New(t.Context(), nil, &Options{Log: LogOptions{MaxAge: -time.Hour, MaxBytes: -2}})
	require.ErrorContains(t, err, "Options.Log.MaxAge is -1h0m0s; legal is")
	require.ErrorContains(t, err, "Options.Log.MaxBytes is -2; legal is")
	require.ErrorContains(t, err, "without a client")
}

func TestLogOptionsByDefault(t *testing.T) {
	for _, row := range []struct {
		name, info string
		given      LogOptions
		want       LogOptions
	}{
		{"nothing", "", LogOptions{}, LogOptions{720 * time.Hour, 64 << 20}},
		{"memory is not limited", "maxmemory:0\r\n", LogOptions{}, LogOptions{720 * time.Hour, 64 << 20}},
		{"plenty of memory", "maxmemory:1000000000\r\n", LogOptions{}, LogOptions{720 * time.Hour, 64 << 20}},
		{"little memory", "maxmemory:40000000\r\n", LogOptions{}, LogOptions{720 * time.Hour, 10_000_000}},
		{"little memory, and a choice", "maxmemory:40000000\r\n", LogOptions{time.Hour, 30_000_000}, LogOptions{time.Hour, 30_000_000}},
		{"no bounds", "maxmemory:40000000\r\n", keepAll, keepAll},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, row.given.withDefaults(row.info))
		})
	}
	store := storeAt(t, connect(t, startServer(t, "--maxmemory", "8mb").addr), "keys")
	require.Equal(t, int64(2<<20), store.logs.MaxBytes)
}

func TestLogRefusesForeignIDs(t *testing.T) {
	store := newLog(t, shared(t), keepAll)
	entries := logEntries(0, 3, "")
	for _, id := range []string{"", "x", strings.Repeat("z", 26), strings.ToUpper(entries[1].ID), entries[1].ID[:25] + "1", entries[1].ID + "0"} {
		entries[1].ID = id
		require.ErrorContains(t, store.WriteLog(t.Context(), entries), "entry 1: the text is not the ID of an entry")
		requireLog(t, store, nil)
	}
}

// The bound holds after each write, whatever is written, and what is there are the
// newest.
func TestLogIsBoundedByBytes(t *testing.T) {
	const most = 300_000
	store := newLog(t, shared(t), LogOptions{MaxAge: -1, MaxBytes: most})
	r := rand.New(rand.NewPCG(1, 2))
	var all []apikey.LogEntry
	for range 40 {
		body := strings.Repeat("b", []int{0, 0, 10, 1000, 20_000}[r.IntN(5)])
		entries := logEntries(len(all), len(all)+1+r.IntN(200), body)
		all = append(all, entries...)
		require.NoError(t, store.WriteLog(t.Context(), entries))
		kept, size := len(all), int64(0)
		for kept > 0 && size+countOf(t, &all[kept-1]) <= most {
			kept--
			size += countOf(t, &all[kept])
		}
		requireLog(t, store, all[kept:])
	}
	require.Greater(t, len(all), 2000)
}

// What an entry counts for is about what it takes.
func TestLogTakesWhatItCounts(t *testing.T) {
	client := connect(t, startServer(t).addr)
	used := func() int64 {
		n, err := strconv.ParseInt(field(client.Info(t.Context(), "memory").Val(), "used_memory"), 10, 64)
		require.NoError(t, err)
		return n
	}
	for _, body := range []int{0, 100, 4096, 16384} {
		store := newLog(t, client, keepAll)
		before := used()
		for first := 0; first < 5000; first += 500 {
			require.NoError(t, store.WriteLog(t.Context(), logEntries(first, first+500, strings.Repeat("x", body))))
		}
		require.InEpsilon(t, sizeOf(t, store), used()-before, 0.2, "bodies of %d bytes", body)
	}
}

// Old entries that come late do not push out newer ones.
func TestFullLogKeepsTheNewestThoughTheyCameFirst(t *testing.T) {
	entries := logEntries(0, 300, "body")
	size := int64(0)
	for i := range 100 {
		size += countOf(t, &entries[200+i])
	}
	store := newLog(t, shared(t), LogOptions{MaxAge: -1, MaxBytes: size})
	require.NoError(t, store.WriteLog(t.Context(), entries[200:]))
	require.NoError(t, store.WriteLog(t.Context(), entries[:200]))
	requireLog(t, store, entries[200:])
	// A part of them fits.
	some := slices.Concat(entries[100:130], entries[190:200])
	store = logAt(t, store.client, newPrefix(t, store.client), LogOptions{MaxAge: -1, MaxBytes: size})
	require.NoError(t, store.WriteLog(t.Context(), entries[210:]))
	require.NoError(t, store.WriteLog(t.Context(), some))
	requireLog(t, store, slices.Concat(entries[190:200], entries[210:]))
	// One that is larger than the whole log is not kept, and takes nothing with it.
	large := logEntryAt(logEpoch.Add(-time.Hour), 1)
	large.Response = apikey.LogBody{Text: strings.Repeat("x", int(size)), Type: "text/plain"}
	require.NoError(t, store.WriteLog(t.Context(), []apikey.LogEntry{large}))
	requireLog(t, store, slices.Concat(entries[190:200], entries[210:]))
}

func TestLogIsBoundedByAge(t *testing.T) {
	store := newLog(t, shared(t), LogOptions{MaxAge: time.Hour, MaxBytes: -1})
	now := time.Now().UTC().Truncate(time.Microsecond)
	entry := func(age time.Duration) apikey.LogEntry {
		e := logEntryAt(now.Add(-age), int(age.Minutes()))
		e.Request.Text = "body"
		return e
	}
	require.NoError(t, store.WriteLog(t.Context(), []apikey.LogEntry{
		entry(90 * time.Minute), entry(61 * time.Minute), entry(59 * time.Minute), entry(10 * time.Minute),
	}))
	requireLog(t, store, []apikey.LogEntry{entry(59 * time.Minute), entry(10 * time.Minute)})

	// Another process keeps less.
	other := logAt(t, store.client, store.prefix, LogOptions{MaxAge: 30 * time.Minute})
	require.NoError(t, other.WriteLog(t.Context(), nil))
	require.Len(t, logOf(t, other), 2, "there is nothing to write, and nothing to make room for")
	require.NoError(t, other.WriteLog(t.Context(), []apikey.LogEntry{entry(0)}))
	requireLog(t, store, []apikey.LogEntry{entry(10 * time.Minute), entry(0)})

	// All of them go.
	short := logAt(t, store.client, store.prefix, LogOptions{MaxAge: time.Nanosecond})
	require.NoError(t, short.WriteLog(t.Context(), []apikey.LogEntry{entry(20 * time.Minute)}))
	requireLog(t, store, nil)
	require.NoError(t, store.WriteLog(t.Context(), []apikey.LogEntry{entry(5 * time.Minute)}))
	requireLog(t, store, []apikey.LogEntry{entry(5 * time.Minute)})
}

// Where the bound is lowered, no single write stops Redis for long.
func TestLoweredBoundIsReachedInSteps(t *testing.T) {
	client := shared(t)
	prefix := newPrefix(t, client)
	store := logAt(t, client, prefix, keepAll)
	entries := logEntries(0, 12_000, "")
	require.NoError(t, store.WriteLog(t.Context(), entries))
	store = logAt(t, client, prefix, LogOptions{MaxAge: -1, MaxBytes: 100_000})
	for n, want := range []int64{12_000 - 5000 + 1, 12_000 - 10_000 + 2} {
		require.NoError(t, store.WriteLog(t.Context(), logEntries(12_000+n, 12_000+n+1, "")))
		require.Equal(t, want, client.ZCard(t.Context(), store.log).Val())
	}
	require.NoError(t, store.WriteLog(t.Context(), logEntries(12_002, 12_003, "")))
	require.LessOrEqual(t, sizeOf(t, store), int64(100_000))
	require.Greater(t, sizeOf(t, store), int64(99_000))
}

// Ten processes write at once, each batch spread over the same time.
func TestLogOfManyNodes(t *testing.T) {
	client := shared(t)
	prefix := newPrefix(t, client)
	const nodes, batches, batch = 10, 5, 40
	entries := logEntries(0, nodes*batches*batch, "")
	var wg sync.WaitGroup
	for node := range nodes {
		store := logAt(t, client, prefix, keepAll)
		wg.Go(func() {
			for b := range batches {
				var own []apikey.LogEntry
				for i := range batch {
					own = append(own, entries[(b*batch+i)*nodes+node])
				}
				assert.NoError(t, store.WriteLog(t.Context(), own))
			}
		})
	}
	wg.Wait()
	requireLog(t, logAt(t, client, prefix, keepAll), entries)
}

// A search that finds little ends, and goes on where it was told to.
func TestLogSearchIsBounded(t *testing.T) {
	store := newLog(t, shared(t), keepAll)
	entries := logEntries(0, 2*maxUnwanted+2500, "")
	entries[3].KeyID, entries[2*maxUnwanted].KeyID = "rare", "rare"
	require.NoError(t, store.WriteLog(t.Context(), entries))
	q := apikey.LogQuery{KeyID: "rare", Limit: 10}
	var sizes []int
	for {
		page, next, err := store.ReadLog(t.Context(), q)
		require.NoError(t, err)
		if sizes = append(sizes, len(page)); next == "" {
			break
		}
		q.Cursor = next
	}
	require.Equal(t, []int{1, 0, 1}, sizes)

	// One that finds much does not.
	page, next, err := store.ReadLog(t.Context(), apikey.LogQuery{Method: "GET", Limit: len(entries)})
	require.NoError(t, err)
	require.Len(t, page, len(entries))
	require.Empty(t, next)
}

// Between two commands of ReadLog, entries can be removed.
func TestEntriesWithoutTheirBodiesLeaveThePage(t *testing.T) {
	store := newLog(t, shared(t), keepAll)
	entries := slices.Concat(logEntries(0, 70, "body"), logEntries(70, 75, ""))
	require.NoError(t, store.WriteLog(t.Context(), entries))
	for _, e := range entries[:10] {
		id, err := parseLogID(e.ID)
		require.NoError(t, err)
		require.NoError(t, store.client.HDel(t.Context(), store.bodies, string(id)).Err())
	}
	page, next, err := store.ReadLog(t.Context(), apikey.LogQuery{Limit: 100, Bodies: true})
	require.NoError(t, err)
	require.Empty(t, next)
	slices.Reverse(page)
	require.Equal(t, entries[10:], page)
}

// What one node does, and who changed what, another node reads, without any
// option.
func TestNodesShareTheirLog(t *testing.T) {
	client := shared(t)
	prefix := newPrefix(t, client)
	here, there := authority(t, storeAt(t, client, prefix)), authority(t, storeAt(t, client, prefix))
	var want []string
	for n := range 5 {
		auth := []*apikey.Authority{here, there}[n%2]
		key, _, err := auth.Issue(t.Context(), apikey.KeySpec{Name: fmt.Sprint("key ", n)})
		require.NoError(t, err)
		want = append([]string{key.ID}, want...)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		entries, _, err := there.AccessLog(t.Context(), apikey.LogQuery{Outcome: apikey.OutcomeChange})
		assert.NoError(c, err)
		var got []string
		for _, e := range entries {
			got = append(got, e.KeyID)
		}
		assert.Equal(c, want, got)
	}, 10*time.Second, 10*time.Millisecond)
}
