package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// stats tells how the log fares.
func (s *server) stats(w http.ResponseWriter, _ *http.Request) {
	if s.log == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_ = json.NewEncoder(w).Encode(s.log.LogStats())
}

// stats asks the server how its log fares, if it has one.
func (p *process) stats(ctx context.Context) (stats apikey.LogStats, logs bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.statsURL, http.NoBody)
	if err != nil {
		return stats, false, err
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return stats, false, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNoContent {
		return stats, false, nil
	}
	err = json.NewDecoder(answer.Body).Decode(&stats)
	return stats, true, err
}

// settle waits until the server has written its log, so that the next case has the
// machine to itself.
func (p *process) settle(ctx context.Context) error {
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		stats, _, err := p.stats(ctx)
		if err != nil || stats.Waiting == 0 {
			return err
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("%d entries of the log still wait after a minute", stats.Waiting)
		}
	}
}
