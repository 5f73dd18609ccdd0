package redisstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/seed-be062aaa/apikey"
)

const (
	// lookAt is how many entries one command returns.
	lookAt = 1000
	// maxUnwanted is how many entries a search passes by before it returns a page
	// that is not full.
	maxUnwanted = 25_000
	// bodyBatch is of how many entries one command returns the texts of bodies.
	bodyBatch = 50
)

var errLogCursor = &apikey.FieldError{Field: "cursor", Problem: "is not one that a page of the access log has named"}

// ReadLog implements [apikey.LogStore]. Redis finds where a page begins and where
// a time does. All else is searched in this process, 1,000 entries to a command; a
// search ends after 25,000 entries in vain, and says where to go on.
func (s *Store) ReadLog(ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
	const doing = "reading the log"
	if q.Limit < 1 {
		return nil, "", fmt.Errorf("redisstore: %s: the limit is %d; legal is 1 or more", doing, q.Limit)
	}
	part, err := logRange(&q)
	if err != nil {
		return nil, "", fmt.Errorf("redisstore: %s: %w", doing, err)
	}
	r := logReader{store: s, q: q, part: part}
	if err := r.read(ctx); err != nil {
		return nil, "", failed(doing, err)
	}
	return r.entries, r.next, nil
}

// logRange returns the part of the sorted set that has what q selects.
func logRange(q *apikey.LogQuery) (redis.ZRangeBy, error) {
	part := redis.ZRangeBy{Min: "-", Max: "+"}
	from, before := logID(""), logID("\xff") // before and behind all IDs
	if q.Cursor != "" {
		cursor, err := parseLogID(q.Cursor)
		if err != nil {
			return part, errLogCursor // which may be a key that was put in the wrong place
		}
		before = cursor
	}
	if !q.From.IsZero() {
		from = firstLogID(q.From)
	}
	if !q.To.IsZero() {
		before = min(before, firstLogID(q.To))
	}
	if q.ID != "" {
		id, err := parseLogID(q.ID)
		if err != nil || id < from {
			return redis.ZRangeBy{Min: "+", Max: "-"}, nil //nolint:nilerr // no entry has such an ID
		}
		// Behind the ID, no member has such a byte.
		from, before = id, min(before, id+"\xff")
	}
	// Members begin with an ID and are longer, and so sort behind it.
	part.Min, part.Max = "["+string(from), "("+string(before)
	return part, nil
}

// A logTextsOf is where an entry is whose bodies have texts, and its ID in Redis.
type logTextsOf struct {
	at int
	id string
}

// A logReader makes one page.
type logReader struct {
	store *Store
	q     apikey.LogQuery
	part  redis.ZRangeBy // what is still to be looked at

	entries  []apikey.LogEntry
	texts    []logTextsOf
	unwanted int
	next     string
}

func (r *logReader) read(ctx context.Context) error {
	r.part.Count = int64(min(r.q.Limit, lookAt-1)) + 1 // the one behind the page tells that there is a next
	for {
		members, err := r.store.client.ZRevRangeByLex(ctx, r.store.log, &r.part).Result()
		if err != nil {
			return err
		}
		full, err := r.take(members)
		if err != nil {
			return err
		}
		if full || len(members) < int(r.part.Count) {
			break
		}
		last := members[len(members)-1][:logIDBytes]
		if r.unwanted >= maxUnwanted {
			r.next = logID(last).String()
			break
		}
		r.part.Max, r.part.Count = "("+last, lookAt
	}
	if r.q.Bodies {
		return r.readTexts(ctx)
	}
	return nil
}

// take adds the entries of members to the page, and reports whether there are more
// than it holds.
func (r *logReader) take(members []string) (full bool, err error) {
	for _, member := range members {
		e, texts, err := decodeLog(member)
		if err != nil {
			return false, err
		}
		if !r.q.Matches(&e) {
			r.unwanted++
			continue
		}
		if len(r.entries) == r.q.Limit {
			r.next = r.entries[len(r.entries)-1].ID
			return true, nil
		}
		if texts {
			r.texts = append(r.texts, logTextsOf{len(r.entries), member[:logIDBytes]})
		}
		r.entries = append(r.entries, e)
	}
	return false, nil
}

// readTexts fills in the texts of bodies. Entries that were removed meanwhile
// leave the page.
func (r *logReader) readTexts(ctx context.Context) error {
	for part := range slices.Chunk(r.texts, bodyBatch) {
		fields := make([]string, len(part))
		for i := range part {
			fields[i] = part[i].id
		}
		found, err := r.store.client.HMGet(ctx, r.store.bodies, fields...).Result()
		if err != nil {
			return err
		}
		if len(found) != len(part) {
			return errOtherNumber
		}
		for i := range part {
			e := &r.entries[part[i].at]
			if texts, ok := found[i].(string); !ok {
				e.ID = ""
			} else if err := decodeLogTexts(e, texts); err != nil {
				return err
			}
		}
	}
	r.entries = slices.DeleteFunc(r.entries, func(e apikey.LogEntry) bool { return e.ID == "" })
	return nil
}
