package peers

import "strconv"

// Held is how many megabytes servers and benchmarks hold beside their keys. What holds
// next to nothing collects its garbage whenever there are four megabytes of it, more
// than a hundred times a second, which few servers in use do; and benchmarks with few
// keys would have more of that in them than those with many.
const Held = 64

// Hold returns things of that many megabytes, to be kept alive.
func Hold(megabytes int) any {
	things := make([]*thing, megabytes<<20/thingBytes)
	for i := range things {
		things[i] = &thing{text: strconv.Itoa(i), other: things[i/2]}
	}
	return things
}

// A thing is one of those that servers have in memory: small, with a text, and known
// to another.
type thing struct {
	other *thing
	text  string
	_     [thingBytes - 40]byte
}

const thingBytes = 128 // with its text and what refers to it
