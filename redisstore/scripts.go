package redisstore

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/seed-be062aaa/apikey"
)

//go:embed scripts/common.lua
var common string

var (
	//go:embed scripts/begin.lua
	begin string
	//go:embed scripts/create.lua
	create string
	//go:embed scripts/update.lua
	update string
	//go:embed scripts/delete.lua
	remove string
	//go:embed scripts/list.lua
	list string
	//go:embed scripts/uses.lua
	uses string
	//go:embed scripts/swap.lua
	swap string
	//go:embed scripts/log.lua
	writeLog string
)

var (
	beginScript  = redis.NewScript(common + begin)
	createScript = redis.NewScript(common + create)
	updateScript = redis.NewScript(common + update)
	deleteScript = redis.NewScript(common + remove)
	listScript   = redis.NewScript(common + list)
	usesScript   = redis.NewScript(common + uses)
	swapScript   = redis.NewScript(common + swap)
	logScript    = redis.NewScript(writeLog) // of other keys than those that the others share
)

// answers are the words in which scripts refuse.
var answers = map[string]error{
	"exists":    apikey.ErrExists,
	"in use":    apikey.ErrInUse,
	"not found": apikey.ErrNotFound,
	"conflict":  apikey.ErrConflict,
	"lost":      errGone,
	"another":   errAnother,
}

// run runs a script on the store and returns its answer, if it does not refuse.
// Doing says what it is for, in an error.
func (s *Store) run(ctx context.Context, doing string, script *redis.Script, args ...any) (any, error) {
	answer, err := script.Run(ctx, s.client, []string{s.keys, s.ids}, append([]any{s.identity}, args...)...).Result()
	if err != nil {
		return nil, failed(doing, err)
	}
	if word, ok := answer.(string); ok && word != "ok" {
		if answers[word] == nil {
			return nil, fmt.Errorf("redisstore: %s: a script answered %.40q", doing, word)
		}
		return nil, fmt.Errorf("redisstore: %s: %w", doing, answers[word])
	}
	return answer, nil
}

// change runs a script that changes something.
func (s *Store) change(ctx context.Context, doing string, script *redis.Script, args ...any) error {
	_, err := s.run(ctx, doing, script, args...)
	return err
}
