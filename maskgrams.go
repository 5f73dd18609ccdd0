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

// A gramIndex tells where in a key's forms four bytes may stand. Wherever a form is in
// a text, one of every stride places of the text is within the beginning of the form,
// and the gram there is in the index: few places need be looked at.
type gramIndex struct {
	stride int
	heads  [1 << gramBits]uint8 // by a gram's hash: the first of its links, or 0
	links  []gramLink           // the first one is nobody's
}

// A gramLink is an occurrence of a gram in a form.
type gramLink struct{ form, at, next uint8 }

// fill makes the index of some forms, of which none has less than gram bytes.
func (x *gramIndex) fill(forms []string) {
	x.stride = maxStride
	for _, form := range forms {
		x.stride = min(x.stride, len(form)-gram+1)
	}
	clear(x.heads[:])
	x.links = append(x.links[:0], gramLink{})
	for i, form := range forms {
		for at := range x.stride {
			head := &x.heads[gramHash(form, at)]
			x.links = append(x.links, gramLink{uint8(i), uint8(at), *head})
			*head = uint8(len(x.links) - 1)
		}
	}
}

func gramHash(text string, at int) uint32 {
	return binary.LittleEndian.Uint32(asBytes(text)[at:]) * 0x9e3779b1 >> (32 - gramBits)
}

// findGrams finds the forms of a key, and returns from which place on it did not look:
// a text made to look like the key all over is searched faster in other ways.
func (h *hunt) findGrams(text string, forms *keyForms) (from int) {
	x, patience := &forms.grams, 16+len(text)/32
	run := 0 // the end of the last one
	for at := x.stride - 1; at+gram <= len(text); at += x.stride {
		link := x.heads[gramHash(text, at)]
		for ; link != 0; link = x.links[link].next {
			l := x.links[link]
			form, start := forms.all[l.form], at-int(l.at)
			switch {
			case !strings.HasPrefix(text[start:], form):
				patience -= 1 + len(form)/256 // as far as the two may agree
			case int(l.form) < forms.plain:
				h.add(start, start+len(form))
			case start >= run:
				run = h.addRun(text, start, start+len(form))
			}
		}
		if patience < 0 {
			return at + 1
		}
	}
	return len(text)
}
