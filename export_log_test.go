package apikey

import (
	"context"
	"time"
)

// FlushLog writes what waits of the access log, as the timer does.
func (a *Authority) FlushLog(ctx context.Context) error {
	a.recorder.turn <- struct{}{}
	defer func() { <-a.recorder.turn }()
	return a.recorder.drain(ctx)
}

// NewLogID returns an ID for an entry of that moment. Two of one moment are equal.
func NewLogID(at time.Time) string { return logIDText(at.UnixNano()) }
