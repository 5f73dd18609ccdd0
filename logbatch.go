package apikey

import (
	"fmt"
	"sync"
	"time"
)

// A logBlock holds the entries of one batch while they wait. Blocks are used again, so
// that a queue which grows and shrinks with each write neither copies nor leaves
// garbage.
type logBlock struct {
	records [logBatch]record
	n       int
}

var logBlocks = sync.Pool{New: func() any { return new(logBlock) }}

func newLogBlock() *logBlock { return logBlocks.Get().(*logBlock) }

// free gives the block back. The texts of keys in it go as soon as they can.
func (b *logBlock) free() {
	clear(b.records[:b.n])
	b.n = 0
	logBlocks.Put(b)
}

// A logBatchState is what the sink has still to acknowledge. Its slices are used
// again and again.
type logBatchState struct {
	entries []LogEntry
	costs   []logCost // what each entry holds in memory, in the same order
}

// A logCost is given back to its share once the entry is written.
type logCost struct {
	bytes int64
	keyed bool
	gap   bool // it is no accepted entry, and costs nothing
}

func (b *logBatchState) empty() bool { return len(b.entries) == 0 }

// add returns the next entry, which is empty yet.
func (b *logBatchState) add(cost logCost) *LogEntry {
	b.entries, b.costs = append(b.entries, LogEntry{}), append(b.costs, cost)
	return &b.entries[len(b.entries)-1]
}

func (b *logBatchState) clear() {
	clear(b.entries)
	b.entries, b.costs = b.entries[:0], b.costs[:0]
}

func gapEntry(gap logGap) LogEntry {
	id, now := newLogID(time.Now())
	return LogEntry{
		ID:        id,
		RequestID: id,
		Time:      now,
		Outcome:   OutcomeGap,
		Lost:      gap.entries,
		Detail: fmt.Sprintf("%d entries were lost, of what came from %s to %s: the log could not take them",
			gap.entries, gap.from.UTC().Format(time.RFC3339Nano), gap.to.UTC().Format(time.RFC3339Nano)),
	}
}
