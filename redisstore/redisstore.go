// Package redisstore keeps API keys and their access log in Redis or Valkey,
// through go-redis: on one server, behind Sentinel, or in a Cluster.
//
//	store, err := redisstore.Open(ctx, "redis://localhost:6379/0", nil)
//
// Any number of processes may share a store, and one Redis any number of stores,
// each with a prefix of its own.
//
// # Where it keeps them
//
// A store is two Redis keys, {apikey}:keys and {apikey}:ids, and the channel
// {apikey}:changes; {apikey}:log and {apikey}:bodies are its access log. The braces
// make them share one hash slot, so that one script can change two of them: in a
// Cluster, all of a store is on one of its nodes, which answers nothing while it
// hands that slot to another. An API key of ordinary size takes 750 bytes of memory.
// Nothing here expires.
//
// Every change is one script, which is applied as a whole or not at all, and
// where a broken connection makes go-redis send it again, it is applied once.
// Every lookup is one HMGET of one key.
//
// # The access log
//
// An [apikey.Authority] over a store logs into it unless [apikey.LogOptions] say
// otherwise, and whoever shares the store reads the entries of all processes. So
// Redis needs up to 64 MiB more than the keys do, or what [LogOptions] say, and is
// busy for some milliseconds with each script of 500 entries. The oldest are removed
// by the write that needs their room. In a Cluster the log moves with the keys, and
// handing the slot to another node takes the longer.
//
// # When Redis loses them
//
// Redis can be flushed, be restarted without its data, or fail over to a replica
// that never had it. A store must not take that for a fresh start, in which a
// server would issue a new first key. So each store has an identity, which is
// written with it and checked by every call, a lookup that finds a key included.
// Once Redis has no store, or another, every call fails with [ErrLost]: nothing can
// be created, and requests are answered with 503 where the cache of the
// [apikey.Authority] does not know the key from before. If the data is restored,
// calls succeed again. The access log alone goes on, from nothing: what happens
// then is what somebody will want to read.
//
// A process that starts cannot know what Redis once held. Where there is no store
// it begins one, and the processes that lost theirs do not take part in it until
// they are restarted. Where processes are restarted automatically, set
// [Options].MustExist in them, and begin the store by a command of its own that
// does not: then nothing starts afresh unless somebody wants it.
//
// # What is asked of Redis
//
// Redis 5 or later, or Valkey, with a maxmemory-policy of noeviction or one of the
// volatile ones, which spare keys that do not expire; see [Options].AllowEviction.
// Where memory is full, lookups go on, and so do Update and Delete, so that a key
// can be revoked; Create fails. WriteLog fails too, and keeps nothing of a batch,
// unless it makes room by removing older entries.
//
// What Redis acknowledges is as durable as its settings say: with the append-only
// file and its default of appendfsync everysec, the loss of power may undo the
// last second; without persistence, a restart loses everything. Replication is
// asynchronous: a failover may undo what was acknowledged last, a revocation
// too. Setting min-replicas-to-write to 1 and min-replicas-max-lag to a few
// seconds narrows that to what the replica had not received.
//
// A user of Redis's access control needs, for the default prefix:
//
//	~{apikey}:* &{apikey}:* +hello +ping +info +eval +evalsha +exists +hmget +hget +hset +hdel
//	+zadd +zrem +zscore +zrevrangebylex +publish +subscribe
//
// and, to keep the access log:
//
//	+zcard +zrange +unlink
//
// Whoever can write to these Redis keys can make API keys.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/seed-be062aaa/apikey"
)

// A Store keeps keys and the access log in Redis. It is safe for concurrent use.
//
// Each method but List, RecordUses and those of the access log is one round trip.
// All end soon after their context does, as far as the client heeds it: one made
// without ContextTimeoutEnabled waits for its own ReadTimeout. Errors wrap
// go-redis', unless their text could quote a digest. Any method but those of the
// access log may fail with [ErrLost].
type Store struct {
	client   redis.UniversalClient
	owned    bool // Close closes client
	prefix   string
	keys     string // the Redis key of a hash: everything but the order of IDs
	ids      string // the Redis key of a sorted set: the IDs, by their bytes
	log      string // the Redis key of a sorted set: the entries of the access log
	bodies   string // the Redis key of a hash: the texts of their bodies
	channel  string
	identity string
	logs     LogOptions
}

var (
	_ apikey.ManagedStore = (*Store)(nil)
	_ apikey.UseRecorder  = (*Store)(nil)
	_ apikey.MarkerStore  = (*Store)(nil)
	_ apikey.ChangeFeed   = (*Store)(nil)
	_ apikey.LogStore     = (*Store)(nil)
)

// Options changes how a [Store] uses Redis. The zero value is the default.
type Options struct {
	// Prefix names the store within Redis, whose keys begin with it in braces: 1
	// to 64 ASCII letters, digits and any of "_.:-". Empty: "apikey".
	Prefix string
	// MustExist makes New fail with ErrLost where Redis holds no store under the
	// prefix, instead of beginning one.
	MustExist bool
	// AllowEviction accepts a Redis that may drop the store to make room for
	// other data, or that does not tell. A store that was dropped is lost; see
	// ErrLost.
	AllowEviction bool
	// Log says how much of the access log is kept.
	Log LogOptions
}

const defaultPrefix = "apikey"

var validPrefix = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// New returns the store that Redis holds, which it begins where there is none; of
// many processes that do so at once, one does. It refuses a Redis that may evict
// keys, and a replica, whose answers would open revoked keys.
//
// For the same reason it refuses clients that read from replicas (ReadOnly,
// RouteByLatency, RouteRandomly) or from a cache of their own, and a
// [redis.Ring], which looks for keys on another server when theirs is down.
//
// In a Cluster, and behind Sentinel, it looks at the server that is the store's
// now: configure them alike. The client stays the caller's, who closes it after
// the store. ctx bounds New itself.
func New(ctx context.Context, client redis.UniversalClient, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	prefix := opts.Prefix
	if prefix == "" {
		prefix = defaultPrefix
	}
	var problem error
	if !validPrefix.MatchString(prefix) {
		problem = fmt.Errorf(`redisstore: the prefix %q is not 1 to 64 letters, digits and any of "_.:-"`, prefix)
	}
	if err := errors.Join(problem, opts.Log.validate(), checkClient(client)); err != nil {
		return nil, err
	}
	s := &Store{client: client, prefix: prefix}
	s.keys, s.ids, s.channel = s.name("keys"), s.name("ids"), s.name("changes")
	s.log, s.bodies = s.name("log"), s.name("bodies")
	info, err := s.checkServer(ctx, opts.AllowEviction)
	if err != nil {
		return nil, err
	}
	s.logs = opts.Log.withDefaults(info)
	if err := s.begin(ctx, opts.MustExist); err != nil {
		return nil, err
	}
	return s, nil
}

// name returns the Redis key, or the channel, that goes by a name in this store.
func (s *Store) name(name string) string { return "{" + s.prefix + "}:" + name }

// Open returns the store in one Redis server, by a client of its own. The URL is of the form
// redis://user:password@host:6379/0?pool_size=20, with rediss for TLS, or
// unix://user:password@/path/to/redis.sock?db=0; [redis.ParseURL] lists the
// parameters. No error quotes it. For Sentinel or a Cluster make a client, with
// ContextTimeoutEnabled, and call [New]. A nil opts is the default.
//
// Close the store after the [apikey.Authority] that uses it.
func Open(ctx context.Context, url string, opts *Options) (*Store, error) {
	options, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	options.ContextTimeoutEnabled = true
	client := redis.NewClient(options)
	s, err := New(ctx, client, opts)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	s.owned = true
	return s, nil
}

// parseURL returns no error of a parser's, which may hold the password, or a part
// of one with characters that end a URL's user part early. Where what looks like a
// host is such a part, an @ comes behind it.
func parseURL(url string) (*redis.Options, error) {
	_, rest, _ := strings.Cut(url, "://")
	if end := strings.IndexAny(rest, "/?#"); end < 0 || !strings.Contains(rest[end:], "@") {
		if options, err := redis.ParseURL(url); err == nil {
			return options, nil
		}
	}
	return nil, errors.New("redisstore: the URL is not of the form redis://user:password@host:port/database; " +
		"in all of its parts, characters other than letters, digits and -._~ must be percent-encoded")
}

// Close closes the client that [Open] made, whereupon Watch returns and all else
// fails. It leaves a client that was passed to [New] alone.
func (s *Store) Close() error {
	if !s.owned {
		return nil
	}
	return s.client.Close()
}
