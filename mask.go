package apikey

import (
	"slices"
	"strings"
	"sync"
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
type masker struct {
	names *secretNames
	hunts sync.Pool
}

// newMasker returns a masker that knows secrets beside those of everybody.
func newMasker(secrets []string) *masker { return &masker{names: newSecretNames(secrets)} }

// A span is a part of a text that is to be masked.
type span struct {
	start, end int
	quote      bool // it is a JSON value that is no string, and becomes one
}

// A hunt is the search of one text.
type hunt struct {
	names   *secretNames
	places  []Source
	isQuery bool   // names may begin with the text
	endings uint64 // of the names of places, see secretNames.mayEnd
	keys    []maskedKey
	cut     bool // the text goes on, unseen
	spans   []span

	readings [1 + layers]reading // as it is, and decoded once and twice
	forms    []*keyForms         // of the keys
}

// begin returns a hunt with the memory of one that is over.
func (m *masker) begin(places []Source, keys []maskedKey) *hunt {
	h, ok := m.hunts.Get().(*hunt)
	if !ok {
		h = &hunt{names: m.names}
	}
	h.places, h.endings, h.keys = places, endingsOf(places), keys
	return h
}

// end forgets what the hunt was about, but for what lies in memory that the next one
// writes over: the forms of the keys, and what was decoded.
func (m *masker) end(h *hunt) {
	h.places, h.isQuery, h.keys, h.cut, h.spans, h.readings[0] = nil, false, nil, false, h.spans[:0], reading{}
	m.hunts.Put(h)
}

// line returns text as one inert line without the keys.
func (m *masker) line(text string, keys []maskedKey) string { return m.path(text, nil, keys) }

// path is line for a path, in which clients have put queries, by an escaped question mark
// or by mistake.
func (m *masker) path(text string, places []Source, keys []maskedKey) string {
	if isHarmless(text, keys) {
		return text
	}
	h := m.begin(places, keys)
	defer m.end(h)
	return h.short(text, maxLine)
}

// query is line for a raw query, in which also the values of the places' and of
// the secrets' pairs are masked.
func (m *masker) query(raw string, places []Source, keys []maskedKey) string {
	if isHarmless(raw, keys) {
		return raw
	}
	h := m.begin(places, keys)
	defer m.end(h)
	h.isQuery = true
	return h.short(raw, maxQuery)
}

// short masks a text of one line, of which limit bytes are kept.
func (h *hunt) short(text string, limit int) string {
	if seen := limit + bodySlack; len(text) > seen {
		text, h.cut = text[:seen], true
	}
	for _, key := range h.keys {
		if key.short() && readsAs(text, key) {
			return redacted // to mask it alone would spell it
		}
	}
	if h.isQuery {
		h.findPairs(text, sourceQuery)
	}
	h.search(text)
	if spans := h.merged(); len(spans) > 0 || !isInert(text, limit, false) {
		return withoutSpans(text, spans, limit, false)
	}
	return text
}

// body masks what was captured of a body, and returns up to limit bytes of it.
// Captured holds up to bodySlack bytes more, if the body was that long.
func (m *masker) body(captured []byte, mediaType string, places []Source, keys []maskedKey, limit int) string {
	if slices.ContainsFunc(keys, maskedKey.short) {
		return redacted
	}
	h := m.begin(places, keys)
	defer m.end(h)
	text := asString(captured)
	// The client, the handler or who reads for it may have ended it anywhere.
	h.cut = true
	if mediaType == "application/x-www-form-urlencoded" {
		h.findPairs(text, sourceForm)
	}
	h.search(text)
	if spans := h.merged(); len(spans) > 0 || !isInert(text, limit, true) {
		return withoutSpans(text, spans, limit, true)
	}
	return strings.Clone(text) // the buffer is going to hold another
}

// What a byte may be a sign of, where no name, scheme or escape is without one.
const (
	signAny        = 1 << iota // of a secret, or of an escape
	signUnderscore             // of a generated key
	signOdd                    // it is not to be kept as it is
)

var signs = func() (signs [256]uint8) {
	for c := range signs {
		if c < ' ' || c > '~' {
			signs[c] = signOdd
		}
	}
	for _, c := range []byte(":= " + allEscapes) {
		signs[c] = signAny
	}
	signs['_'] = signUnderscore
	return signs
}()

// isHarmless reports whether a text is too short for any key, and without the signs
// that names, schemes and escapes are known by: as most paths, methods and addresses
// are, which need not be searched.
func isHarmless(text string, keys []maskedKey) bool {
	for i := range keys {
		if len(text) >= len(keys[i].text) {
			return false
		}
	}
	if len(text) > maxLine {
		return false
	}
	var all uint8
	for i := range len(text) {
		all |= signs[text[i]]
	}
	return all == 0 || all == signUnderscore && len(text) < shapeLen
}

// search runs all finders over the readings of the text.
func (h *hunt) search(text string) {
	h.readings[0] = reading{text: text}
	decodes := h.read(0, func(h *hunt, r *reading) {
		h.findShapes(r.text)
		h.findSigned(r)
		h.findKeys(r.text)
	}, escapesTogether)
	if decodes && h.ambiguous() {
		// Decoded with all else, what is an escape in the key itself would be gone.
		h.read(0, func(h *hunt, r *reading) { h.findKeys(r.text) }, escapesApart)
	}
}

// read runs find over a reading and those that decoding each kind of escapes makes
// of it, and reports whether there are any.
func (h *hunt) read(layer int, find func(*hunt, *reading), kinds []string) (decodes bool) {
	r, before := &h.readings[layer], len(h.spans)
	find(h, r)
	for i, s := range h.spans[before:] {
		h.spans[before+i] = span{r.raw(s.start), r.raw(s.end), s.quote && layer == 0}
	}
	if layer == layers {
		return false
	}
	for _, kind := range kinds {
		if r.decode(kind, &h.readings[layer+1]) {
			h.read(layer+1, find, kinds)
			decodes = true
		}
	}
	return decodes
}

// ambiguous reports whether a key may itself hold what looks like an escape.
func (h *hunt) ambiguous() bool {
	return slices.ContainsFunc(h.keys, func(key maskedKey) bool { return strings.ContainsAny(key.text, allEscapes) })
}

// merged returns the spans in order, those that overlap as one.
func (h *hunt) merged() []span {
	slices.SortFunc(h.spans, func(a, b span) int {
		if a.start != b.start {
			return a.start - b.start
		}
		if a.end != b.end || a.quote == b.quote {
			return b.end - a.end
		}
		if a.quote {
			return -1 // it keeps JSON valid
		}
		return 1
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
	h := hunt{readings: [1 + layers]reading{{text: text}}}
	other := string(key.appendLatin1(nil))
	find := func(h *hunt, r *reading) {
		h.findAll(r.text, key.text, 0)
		if other != "" {
			h.findAll(r.text, other, 0)
		}
	}
	h.read(0, find, slices.Concat(escapesTogether, escapesApart))
	return len(h.spans) > 0
}
