package main

import "strconv"

// A thing is one of those that servers have in memory: small, with a text, and known
// to another.
type thing struct {
	other *thing
	text  string
	_     [thingBytes - 40]byte
}

const thingBytes = 128 // with its text and what refers to it

// hold returns things of that many megabytes. A server that holds nothing collects its
// garbage whenever there are four megabytes of it, more than a hundred times a second,
// which few that are in use do.
func hold(megabytes int) []*thing {
	things := make([]*thing, megabytes<<20/thingBytes)
	for i := range things {
		things[i] = &thing{text: strconv.Itoa(i), other: things[i/2]}
	}
	return things
}
