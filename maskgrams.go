package apikey

import (
	"encoding/binary"
	"strings"
)

const (
	gram = 4
	// maxStride is how far apart the places are that are looked at. Each further byte
	// costs an entry in the index for each form, and what is saved is ever less.
	maxStride = 16
	gramBits  = 11
)

// A gramIndex finds the forms of a key in a text of which it looks at few places.
// Wherever a form stands, one of every stride places is within its beginning, and
// with it the gram there: four bytes, which the index has with the place in the form.
type gramIndex struct {
	forms  []string
	runs   int // the first of the forms that is digits of base64
	stride int
	heads  [1 << gramBits]uint8 // by a gram's hash: the first of its links, or 0
	links  []gramLink           // the first one is nobody's
}

// A gramLink is an occurrence of a gram in a form.
type gramLink struct{ form, at, next uint8 }

// newGramIndex returns an index of forms of which none has less than gram bytes.
func newGramIndex(plain, runs []string) *gramIndex {
	x := &gramIndex{forms: make([]string, 0, len(plain)+len(runs)), runs: len(plain), stride: maxStride}
	x.forms = append(append(x.forms, plain...), runs...)
	for _, form := range x.forms {
		x.stride = min(x.stride, len(form)-gram+1)
	}
	x.links = make([]gramLink, 1, 1+len(x.forms)*x.stride)
	for i, form := range x.forms {
		for at := range x.stride {
			head := &x.heads[gramHash(form, at)]
			x.links = append(x.links, gramLink{uint8(i), uint8(at), *head})
			*head = uint8(len(x.links) - 1)
		}
	}
	return x
}

func gramHash(text string, at int) uint32 {
	return binary.LittleEndian.Uint32(asBytes(text)[at:]) * 0x9e3779b1 >> (32 - gramBits)
}

// findIndexed finds the forms of an index, and returns from which place on it did not
// look: a text made to look like the key all over is searched faster in other ways.
func (h *hunt) findIndexed(text string, x *gramIndex) (from int) {
	patience := 16 + len(text)/32
	run := 0 // the end of the last one
	for at := x.stride - 1; at+gram <= len(text); at += x.stride {
		for link := x.heads[gramHash(text, at)]; link != 0; link = x.links[link].next {
			l := x.links[link]
			form, start := x.forms[l.form], at-int(l.at)
			switch {
			case !strings.HasPrefix(text[start:], form):
				patience -= 1 + len(form)/256 // as far as the two may agree
			case int(l.form) < x.runs:
				h.add(start, start+len(form))
			case start >= run:
				run = h.addRun(text, start, start+len(form))
			}
		}
		if patience < 0 {
			return at + 1 - x.stride
		}
	}
	return len(text)
}
