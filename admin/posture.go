package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// maxLooked is how many keys are looked at to find those that a note or a filtered
// list is about.
const maxLooked = 1000

// A note is something that whoever manages the keys should know.
type note struct {
	Text string
	Show string // the filter that lists the keys it is about, or empty
	Warn bool
}

// A check finds the active keys that a note is about.
type check struct {
	name      string // of the filter
	title     string // of the filtered list
	why       string // somebody should look at them
	one, many string
	warn      bool
	match     func(*apikey.Key) bool
}

var checks = []check{
	{
		"weak", "Weak keys",
		"Somebody chose their text, and a patient attacker could guess it. Rotate them to generated ones.",
		"1 weak key", "%s weak keys",
		true, (*apikey.Key).Weak,
	},
	{
		"unused", "Keys that were never used", "Perhaps nobody needs them.",
		"1 key was never used", "%s keys were never used",
		false, func(k *apikey.Key) bool { return k.LastUsedAt.IsZero() },
	},
	{
		"unexpiring", "Keys that never expire", "They work until somebody revokes them.",
		"1 key never expires", "%s keys never expire",
		false, func(k *apikey.Key) bool { return k.ExpiresAt.IsZero() },
	},
	{
		"bodies", "Keys that log bodies", "What is sent with them, or answered, is kept in the access log.",
		"1 key logs bodies", "%s keys log bodies",
		false, func(k *apikey.Key) bool { return k.Logging != apikey.LogNone },
	},
}

// checkNamed returns the check with that filter. ok is false where there is none.
func checkNamed(name string) (c check, ok bool) {
	for _, c := range checks {
		if c.name == name {
			return c, true
		}
	}
	return check{}, false
}

func (c check) matches(key *apikey.Key, now time.Time) bool {
	return stateOf(key, now) == stateActive && c.match(key)
}

func (c check) note(n int) note {
	text := c.one
	if n != 1 {
		text = fmt.Sprintf(c.many, grouped(int64(n)))
	}
	return note{text, c.name, c.warn}
}

// posture is what can be said of the keys and the log at a glance.
type posture struct {
	Notes []note
	// Looked is how many keys the notes are about, where there are more.
	Looked int
}

// posture looks at the newest keys.
func (p *page) posture(ctx context.Context, now time.Time) (posture, error) {
	keys, err := p.auth.Keys(ctx, apikey.Query{Limit: maxLooked + 1})
	if err != nil {
		return posture{}, err
	}
	found := posture{Notes: p.logNotes()}
	if len(keys) > maxLooked {
		keys, found.Looked = keys[:maxLooked], maxLooked
	}
	// Among more keys, one with full control may be older.
	if found.Looked == 0 && p.lacksFullControl(keys, now) {
		found.Notes = append(found.Notes, note{Text: "No active key has full control", Warn: true})
	}
	for _, c := range checks {
		n := 0
		for _, key := range keys {
			if c.matches(key, now) {
				n++
			}
		}
		if n > 0 {
			found.Notes = append(found.Notes, c.note(n))
		}
	}
	return found, nil
}

func (p *page) lacksFullControl(keys []*apikey.Key, now time.Time) bool {
	catalog, known := p.auth.Catalog(), false
	for _, e := range catalog {
		if !e.Full {
			continue
		}
		known = true
		for _, key := range keys {
			if stateOf(key, now) == stateActive && catalog.Grants(key.Permissions, e.Permission) {
				return false
			}
		}
	}
	return known
}

// logNotes tells how the access log of this process fares.
func (p *page) logNotes() []note {
	stats := p.auth.LogStats()
	var notes []note
	if stats.Failing {
		notes = append(notes, note{
			Text: "The access log cannot be written; " + waiting(stats.Waiting), Warn: true,
		})
	}
	if stats.Dropped > 0 {
		notes = append(notes, note{Text: lost(stats.Dropped) + " since this server started", Warn: true})
	}
	return notes
}

func waiting(n int64) string {
	if n == 1 {
		return "1 entry waits"
	}
	return grouped(n) + " entries wait"
}

func lost(n int64) string {
	if n == 1 {
		return "1 entry of the access log was lost"
	}
	return grouped(n) + " entries of the access log were lost"
}
