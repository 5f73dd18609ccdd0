package apikey

import (
	"sync/atomic"
	"time"
)

// clockStep bounds how late it is noticed that the wall clock was set.
const clockStep = 10 * time.Millisecond

// A clock tells the time for two thirds of what time.Now takes, and that is a tenth
// of a decision: of the two clocks in a time.Time it reads the monotonic one, and
// the wall clock only every now and then. The zero value is ready.
type clock struct {
	read atomic.Pointer[time.Time] // when both were read
}

func (c *clock) now() time.Time {
	if read := c.read.Load(); read != nil {
		if since := time.Since(*read); since < clockStep {
			return read.Add(since)
		}
	}
	now := time.Now()
	c.read.Store(&now)
	return now
}
