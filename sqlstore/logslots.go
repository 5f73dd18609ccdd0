package sqlstore

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"github.com/seed-be062aaa/apikey"
)

// An index of entries by key and by series would cost more than the entries. The
// log keeps an index of slots of time instead: which terms occur in which slots.
// Each batch of entries adds a row for each term in it, once, however many
// entries have it, and whoever searches looks at the slots' entries one by one.

// A place is a slot in which a term occurs: a series, by its ID, or a key.
type place struct{ slot, term int64 }

// keyTerm returns a negative number. Two keys may have the same: a slot is where
// to look, not what is there.
func keyTerm(keyID string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(keyID)) // a hash takes everything
	return int64(h.Sum64() | 1<<63)
}

const (
	// maxTerms is how many series are looked for. A selection of more is no longer
	// one that most slots lack.
	maxTerms = 256
	// groupTerms is how many go into one statement, where each is a round trip.
	groupTerms = 64
	// firstSlots and maxSlots are how many slots are asked for, of all terms
	// together: few at first, since most pages are full soon.
	firstSlots, maxSlots = 128, 4096
	// maxUnknown is how many slots are looked at of which it is known of one term
	// only that it occurs.
	maxUnknown = 64
	// maxRun is how many slots are looked at in one go.
	maxRun = 4
)

// A slotFinder finds the slots in which there may be entries, from the last on.
type slotFinder struct {
	log  *Log
	conn preparer
	// One of terms must occur, and one of also where that is not nil.
	terms, also []int64

	most  int     // slots to ask for
	found []int64 // that have not been handed out
	floor int64   // of the slots from here on it is known what they have

	looks map[look]*prepared
}

// A look is a shape of statement: for so many terms, up to so many slots of each.
type look struct{ terms, most int }

// finder returns nil where nothing tells in which slots to look.
func (l *Log) finder(conn preparer, q *apikey.LogQuery, series []int64) *slotFinder {
	f := &slotFinder{log: l, conn: conn, most: firstSlots, floor: math.MaxInt64, looks: map[look]*prepared{}}
	if len(series) <= maxTerms {
		f.terms = series
	}
	if q.KeyID != "" {
		f.terms, f.also = []int64{keyTerm(q.KeyID)}, f.terms
	}
	if f.terms == nil || q.ID != "" {
		return nil
	}
	return f
}

// part returns the last part from lo on and before hi in which there may be
// entries. It may be empty, and is never behind a part returned before.
func (f *slotFinder) part(ctx context.Context, lo, hi logID) (from, to logID, err error) {
	if len(f.found) == 0 {
		first, last := lo.slot(), min(hi.slot(), f.floor-1)
		if last < first {
			return lo, lo, nil
		}
		if f.found, f.floor, err = f.find(ctx, first, last); err != nil {
			return lo, hi, err
		}
		f.most = min(4*f.most, maxSlots)
	}
	if len(f.found) == 0 {
		from = later(lo, slotStart(f.floor))
		return from, from, nil
	}
	run := 1
	for run < min(maxRun, len(f.found)) && f.found[run] == f.found[0]-int64(run) {
		run++
	}
	from, to = later(lo, slotStart(f.found[run-1])), slotStart(f.found[0]+1)
	if hi.compare(to) < 0 {
		to = hi
	}
	f.found = f.found[run:]
	return from, to, nil
}

func later(a, b logID) logID {
	if a.compare(b) < 0 {
		return b
	}
	return a
}

// find returns slots of up to last, descending, and the slot down to which there
// are no others.
func (f *slotFinder) find(ctx context.Context, first, last int64) (slots []int64, floor int64, err error) {
	slots, floor, err = f.slotsOf(ctx, f.terms, first, last)
	if err != nil || f.also == nil {
		return slots, floor, err
	}
	others, othersFloor, err := f.slotsOf(ctx, f.also, first, last)
	if err != nil {
		return nil, 0, err
	}
	if othersFloor < floor {
		slots, floor, others, othersFloor = others, othersFloor, slots, floor
	}
	slots, floor = meet(slots, floor, others, othersFloor)
	return slots, floor, nil
}

// meet returns the slots that are among others too, and a few more: the rarer
// ones lead further down, to where it is not known what the others have.
func meet(slots []int64, floor int64, others []int64, othersFloor int64) ([]int64, int64) {
	both := make([]int64, 0, len(slots))
	unknown := 0
	for _, slot := range slots {
		switch {
		case slot < othersFloor && unknown == maxUnknown:
			return both, slot + 1
		case slot < othersFloor:
			unknown++
		default:
			for len(others) > 0 && others[0] > slot {
				others = others[1:]
			}
			if len(others) == 0 || others[0] != slot {
				continue
			}
		}
		both = append(both, slot)
	}
	return both, floor
}

// slotsOf returns slots in which one of the terms occurs, as find does.
func (f *slotFinder) slotsOf(
	ctx context.Context, terms []int64, first, last int64,
) (slots []int64, floor int64, err error) {
	floor = first
	most := max(16, f.most/len(terms))
	size := groupTerms
	if f.log.dialect.BatchRows <= 1 {
		size = 1 // the database is in this process: a long statement costs more than many calls
	}
	for group := range slices.Chunk(terms, size) {
		found, err := f.query(ctx, group, first, last, most)
		if err != nil {
			return nil, 0, err
		}
		for _, of := range found {
			if len(of) == most { // there may be more below
				floor = max(floor, slices.Min(of))
			}
			slots = append(slots, of...)
		}
	}
	slices.Sort(slots)
	slots = slices.Compact(slots)
	at, _ := slices.BinarySearch(slots, floor)
	slots = slots[at:]
	slices.Reverse(slots)
	return slots, floor, nil
}

// query returns, for each of the terms, the last slots in which it occurs.
func (f *slotFinder) query(ctx context.Context, terms []int64, first, last int64, most int) ([][]int64, error) {
	statement, err := f.statement(ctx, look{len(terms), most})
	if err != nil {
		return nil, err
	}
	var args []any
	for _, term := range terms {
		args = append(args, term, first, last)
	}
	rows, err := statement.query(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	slots := make([][]int64, len(terms))
	for rows.Next() {
		var arm int
		var slot int64
		if err := rows.Scan(&arm, &slot); err != nil {
			return nil, err
		}
		slots[arm] = append(slots[arm], slot)
	}
	return slots, rows.Err()
}

// statement returns the one of that shape, which is prepared once. Its limit is
// part of the text, see [logReader.statement].
func (f *slotFinder) statement(ctx context.Context, shape look) (*prepared, error) {
	if known, ok := f.looks[shape]; ok {
		return known, nil
	}
	var arms []string
	for i := range shape.terms {
		arms = append(arms, fmt.Sprintf(`SELECT %d AS arm, slot FROM (SELECT DISTINCT slot FROM apikey_log_slots
			WHERE term = ? AND slot >= ? AND slot <= ? ORDER BY slot DESC LIMIT %d) s%[1]d`, i, shape.most))
	}
	made, err := f.log.dialect.prepare(ctx, f.conn, f.log.spell(strings.Join(arms, " UNION ALL ")))
	if err == nil {
		f.looks[shape] = made
	}
	return made, err
}

// close ends what was prepared. It may be called on nil.
func (f *slotFinder) close() {
	if f == nil {
		return
	}
	for _, statement := range f.looks {
		_ = statement.close() // the connection's end ends it too
	}
}
