package sqltest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// BenchmarkWriteLog writes batches of 500 entries of 50 keys on 20 routes, as
// they come at 5,000 in a second.
func (d *Database) BenchmarkWriteLog(b *testing.B) {
	body := `{"name":"` + strings.Repeat("x", 4096-len(`{"name":""}`)) + `"}`
	for _, row := range []struct{ name, body string }{{"plain", ""}, {"bodies", body}} {
		b.Run(row.name, func(b *testing.B) {
			log := d.Log(b, d.Make(b), &KeepAll)
			const batch = 500
			rows := 0
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				entries := make([]apikey.LogEntry, batch)
				for i := range entries {
					entries[i] = trafficEntry(rows, 200*time.Microsecond)
					rows++
				}
				if row.body != "" {
					WithBodies(entries, row.body, row.body)
				}
				b.StartTimer()
				if err := log.WriteLog(b.Context(), entries); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
		})
	}
}

// trafficEntry returns the nth of entries such as a server has, so much time
// apart. Of each 300,000, three are of a key, a status, a method and a path that
// no others have.
func trafficEntry(n int, apart time.Duration) apikey.LogEntry {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	e := NewEntry(n)
	e.Time = Recently.Add(time.Duration(n) * apart).Truncate(time.Microsecond)
	e.ID = EntryID(e.Time, n)
	e.RequestID = e.ID
	route := int(20 * r.Float64() * r.Float64()) // some more than others
	e.Route = fmt.Sprintf("/api/infrastructure/resource%02d/{name}", route)
	e.Path = fmt.Sprintf("/api/infrastructure/resource%02d/server-%d", route, r.IntN(1000))
	e.KeyID = fmt.Sprintf("0123456789abcdefghijklmn%02d", int(50*r.Float64()*r.Float64()))
	e.Method = []string{"GET", "GET", "POST", "PUT"}[route%4]
	switch {
	case r.IntN(20) == 0:
		e.Status = 404
	case r.IntN(50) == 0:
		e.Outcome, e.Reason, e.Status = apikey.OutcomeDenied, "forbidden", 403
	case r.IntN(49) == 0:
		e.Outcome, e.Reason, e.Status, e.KeyID = apikey.OutcomeDenied, "unknown_key", 401, ""
	}
	if n%100_000 == 12_345 {
		e.KeyID, e.Status, e.Method, e.Path, e.Route = "rare key", 418, "PURGE", "/rare/path", "/rare/{name}"
	}
	return e
}

// BenchmarkReadLog reads pages of 50 from a million entries, once dense, of some
// minutes, and once sparse, of a month. It takes a while, so it is asked for:
// APIKEY_LARGE=1.
func (d *Database) BenchmarkReadLog(b *testing.B) {
	if os.Getenv("APIKEY_LARGE") == "" {
		b.Skip("APIKEY_LARGE is not set")
	}
	const million = 1_000_000
	for _, spread := range []struct {
		name  string
		apart time.Duration
	}{{"dense", 200 * time.Microsecond}, {"sparse", 2592 * time.Millisecond}} {
		log := d.Log(b, d.Make(b), &KeepAll)
		for n := 0; n < million; n += 1000 {
			entries := make([]apikey.LogEntry, 1000)
			for i := range entries {
				entries[i] = trafficEntry(n+i, spread.apart)
			}
			require.NoError(b, log.WriteLog(b.Context(), entries))
		}
		middle := Recently.Add(million / 2 * spread.apart)
		for _, row := range []struct {
			name string
			q    apikey.LogQuery
		}{
			{"all", apikey.LogQuery{}},
			{"from the middle", apikey.LogQuery{To: middle}},
			{"one key", apikey.LogQuery{KeyID: "0123456789abcdefghijklmn03"}},
			{"a rare key", apikey.LogQuery{KeyID: "rare key"}},
			{"an unknown key", apikey.LogQuery{KeyID: "unknown"}},
			{"denied", apikey.LogQuery{Outcome: apikey.OutcomeDenied}},
			{"a common status", apikey.LogQuery{Status: 200}},
			{"a rare status", apikey.LogQuery{Status: 418}},
			{"an unknown status", apikey.LogQuery{Status: 599}},
			{"a method", apikey.LogQuery{Method: "PUT"}},
			{"a rare method", apikey.LogQuery{Method: "PURGE"}},
			{"a path", apikey.LogQuery{Path: "/api/infrastructure/resource03"}},
			{"a rare path", apikey.LogQuery{Path: "/rare/"}},
			{"a path within a route", apikey.LogQuery{Path: "/api/infrastructure/resource03/server-77"}},
			{"a path that is not there", apikey.LogQuery{Path: "/api/infrastructure/resource03/nowhere"}},
			{"a key's denied ones in a time", apikey.LogQuery{
				KeyID: "0123456789abcdefghijklmn03", Outcome: apikey.OutcomeDenied, From: middle, To: middle.Add(million / 4 * spread.apart),
			}},
			{"a rare key and a common status", apikey.LogQuery{KeyID: "rare key", Status: 200}},
			{"a key that never had a status", apikey.LogQuery{KeyID: "0123456789abcdefghijklmn03", Status: 401}},
		} {
			b.Run(spread.name+"/"+row.name, func(b *testing.B) {
				q, found := row.q, 0
				q.Limit = 50
				for b.Loop() {
					page, _, err := log.ReadLog(b.Context(), q)
					if err != nil {
						b.Fatal(err)
					}
					found = len(page)
				}
				b.ReportMetric(float64(found), "entries")
			})
		}
	}
}
