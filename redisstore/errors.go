package redisstore

import (
	"errors"
	"fmt"
	"strings"
)

// failed returns the error of a call that Redis or the way to it has failed.
func failed(doing string, err error) error {
	return fmt.Errorf("redisstore: %s: %w", doing, discreet(err))
}

// discreet returns err or, where its text may quote a command or a reply and so a
// digest, an error without the quote.
func discreet(err error) error {
	text := err.Error()
	// "ERR unknown command 'HMGET', with args beginning with: …", as of a proxy that
	// knows few commands.
	if before, _, quotes := strings.Cut(text, ", with args"); quotes {
		return errors.New(before)
	}
	// go-redis' own errors begin so, and quote only what they cannot parse.
	if strings.Contains(text, "redis: ") && strings.Contains(text, `"`) {
		return errors.New("go-redis does not understand the reply")
	}
	return err
}
