package apikey

import (
	"slices"
	"strings"
)

// bodySlack is how much more is captured of a body than is kept, so that a
// credential across the cut is seen whole: 256 bytes, each spelt as \u0041.
const bodySlack = 2 << 10

const (
	maxLine  = 2 << 10
	maxQuery = 4 << 10
	// layers is how often escapes are decoded: a URL in JSON in HTML is rare.
	layers = 2
)

// A masker takes key material and named secrets out of what the access log keeps.
// It is safe for concurrent use.
//
// Finders look for places in a text, each by a rule of its own, and know nothing
// of escapes: they are shown the text as it is and as it reads once and twice
// decoded. What they find is taken out of the text as it is.
type masker struct{ names *secretNames }

// newMasker returns a masker that knows secrets beside those of everybody.
func newMasker(secrets []string) *masker { return &masker{newSecretNames(secrets)} }

// A span is a part of a text that is to be masked.
type span struct {
	start, end int
	quote      bool // it is a JSON value that is no string, and becomes one
}

// A hunt is the search of one text.
type hunt struct {
	names  *secretNames
	places []Source
	keys   []maskedKey
	cut    bool // the text goes on, unseen
	spans  []span
}

// line returns text as one inert line without the keys.
func (m *masker) line(text string, keys []maskedKey) string {
	return m.short(text, nil, keys, maxLine, nil)
}

// query is line for a raw query, in which also the values of the places' and of
// the secrets' pairs are masked.
func (m *masker) query(raw string, places []Source, keys []maskedKey) string {
	return m.short(raw, places, keys, maxQuery, func(h *hunt, text string) { h.findPairs(text, sourceQuery) })
}

// short masks a text of one line, of which limit bytes are kept.
func (m *masker) short(text string, places []Source, keys []maskedKey, limit int, find func(*hunt, string)) string {
	if isHarmless(text, keys) {
		return withoutSpans(text, nil, limit, false)
	}
	h := hunt{names: m.names, places: places, keys: keys}
	if seen := limit + bodySlack; len(text) > seen {
		text, h.cut = text[:seen], true
	}
	for _, key := range keys {
		if key.short() && readsAs(text, key) {
			return redacted // to mask it alone would spell it
		}
	}
	if find != nil {
		find(&h, text)
	}
	h.search(text)
	return withoutSpans(text, h.merged(), limit, false)
}

// isHarmless reports whether a text is too short for any key, and without the signs
// that names, schemes and escapes are known by: as most paths, methods and addresses
// are, which need not be searched.
func isHarmless(text string, keys []maskedKey) bool {
	if len(text) >= shapeLen || strings.ContainsAny(text, ":= "+allEscapes) {
		return false
	}
	return !slices.ContainsFunc(keys, func(key maskedKey) bool { return len(text) >= len(key.text) })
}

// body masks what was captured of a body, and returns up to limit bytes of it.
// Captured holds up to bodySlack bytes more, if the body was that long.
func (m *masker) body(captured []byte, mediaType string, places []Source, keys []maskedKey, limit int) string {
	if slices.ContainsFunc(keys, maskedKey.short) {
		return redacted
	}
	text := string(captured)
	h := hunt{names: m.names, places: places, keys: keys, cut: len(text) > limit}
	if mediaType == "application/x-www-form-urlencoded" {
		h.findPairs(text, sourceForm)
	}
	h.search(text)
	return withoutSpans(text, h.merged(), limit, true)
}

// search runs all finders over the readings of the text.
func (h *hunt) search(text string) {
	asItIs := reading{text: text}
	h.read(&asItIs, 0, func(found *hunt, text string) {
		found.findShapes(text)
		found.findNamed(text)
		found.findHeaders(text)
		found.findKeys(text)
	}, allEscapes)
	if h.ambiguous() {
		// Decoded with all else, what is an escape in the key itself would be gone.
		h.read(&asItIs, 0, (*hunt).findKeys, "%", `\`, "&")
	}
}

// read runs find over a reading and those that decoding each kind of escapes makes
// of it.
func (h *hunt) read(r *reading, layer int, find func(*hunt, string), kinds ...string) {
	before := len(h.spans)
	find(h, r.text)
	for i, s := range h.spans[before:] {
		h.spans[before+i] = span{r.raw(s.start), r.raw(s.end), s.quote && layer == 0}
	}
	if layer == layers {
		return
	}
	for _, kind := range kinds {
		if next, changed := r.decode(kind); changed {
			h.read(&next, layer+1, find, kinds...)
		}
	}
}

// ambiguous reports whether a key may itself hold what looks like an escape.
func (h *hunt) ambiguous() bool {
	return slices.ContainsFunc(h.keys, func(key maskedKey) bool { return strings.ContainsAny(key.text, allEscapes) })
}

// merged returns the spans in order, those that touch or overlap as one.
func (h *hunt) merged() []span {
	slices.SortFunc(h.spans, func(a, b span) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	merged := h.spans[:0]
	for _, s := range h.spans {
		if s.start >= s.end {
			continue
		}
		if last := len(merged) - 1; last >= 0 && s.start < merged[last].end {
			merged[last].end = max(merged[last].end, s.end)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

func (h *hunt) add(start, end int) { h.spans = append(h.spans, span{start: start, end: end}) }

// readsAs reports whether the text holds the key in one of its readings.
func readsAs(text string, key maskedKey) bool {
	h := hunt{keys: []maskedKey{key}}
	asItIs := reading{text: text}
	find := func(found *hunt, text string) { found.findAll(text, key.text) }
	h.read(&asItIs, 0, find, allEscapes, "%", `\`, "&")
	return len(h.spans) > 0
}
