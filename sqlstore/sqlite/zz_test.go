package sqlite
import ("testing";"time";"os";"fmt";"github.com/seed-be062aaa/apikey";"github.com/stretchr/testify/require")
func TestZZ(t *testing.T) {
	path := "/tmp/slog_bench/sparse.db"
	_, err := os.Stat(path)
	log := openLogFile(t, path, &keepAll)
	apart := 2592*time.Millisecond
	recently = time.Unix(1790000000,0).UTC()
	if err != nil {
		for n := 0; n < 1000000; n += 1000 {
			entries := make([]apikey.LogEntry, 1000)
			for i := range entries { entries[i] = trafficEntry(n+i, apart) }
			require.NoError(t, log.WriteLog(t.Context(), entries))
		}
	}
	middle := recently.Add(500000*apart)
	for _, q := range []apikey.LogQuery{
		{KeyID: "0123456789abcdefghijklmn03", Outcome: apikey.OutcomeDenied, From: middle, To: middle.Add(250000 * apart)},
		{KeyID: "0123456789abcdefghijklmn03", Status: 401},
		{KeyID: "0123456789abcdefghijklmn03", Status: 403},
		{Outcome: apikey.OutcomeDenied},
	} {
		q.Limit = 50
		for range 2 {
		t0 := time.Now()
		page, next, err := log.ReadLog(t.Context(), q)
		require.NoError(t, err)
		fmt.Println(len(page), next != "", time.Since(t0))
		}
	}
}
