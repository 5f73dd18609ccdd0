package redisstore

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The access log is not a Redis stream, though that would be a third smaller. A
// stream takes entries only in the order of their IDs, and ten processes deliver
// theirs in another; nor does it notice that a batch comes again. In a sorted set
// of equal scores, entries are in the order of their IDs whenever they come, and
// each is there once. The texts of bodies are in a hash, so that searches do not
// pass them.

// LogOptions changes how much of the access log a [Store] keeps. The zero value is
// the default. Where processes that share a log differ, each removes by its own as
// it writes. [apikey.LogOptions] has the choice to keep the log elsewhere, or none.
type LogOptions struct {
	// MaxAge is how long entries are kept; older ones go with the next write. -1:
	// for ever. Default: 30 days.
	MaxAge time.Duration
	// MaxBytes is how much memory of Redis's the log may take, the oldest entries
	// going first to make room. Counted are 128 bytes for an entry, and its ID,
	// numbers and texts; where bodies were logged, 100 bytes more, and their texts
	// with a quarter on top. What Redis takes is rarely more than a tenth above
	// that. -1: no bound. Default: 64 MiB, in which there is room for 200,000 entries
	// without bodies, or for 6,000 with two of 4 KiB; or a quarter of the server's
	// maxmemory as it was when the store was opened, if that is less.
	MaxBytes int64
}

// withDefaults returns the options for a server of which INFO says that.
func (o LogOptions) withDefaults(info string) LogOptions {
	if o.MaxAge == 0 {
		o.MaxAge = 30 * 24 * time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
		// Where memory is full, no key can be made.
		if all, err := strconv.ParseInt(field(info, "maxmemory"), 10, 64); err == nil && all > 0 {
			o.MaxBytes = min(o.MaxBytes, all/4)
		}
	}
	return o
}

// validate reports every mistake.
func (o LogOptions) validate() error {
	var errs []error
	if o.MaxAge < -1 {
		errs = append(errs, fmt.Errorf("redisstore: Options.Log.MaxAge is %v; legal is a positive time, 0 for the default "+
			"or -1 for ever", o.MaxAge))
	}
	if o.MaxBytes < -1 {
		errs = append(errs, fmt.Errorf("redisstore: Options.Log.MaxBytes is %d; legal is a positive number, 0 for the "+
			"default or -1 for no bound", o.MaxBytes))
	}
	return errors.Join(errs...)
}
