package apikey

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Options are the choices that an [Authority] leaves to its host. The zero value
// of each field is the default; where a bound may be taken off, -1 does so.
type Options struct {
	// Catalog is what routes may require and keys may hold. Default:
	// OtterCatalog().
	Catalog Catalog
	// Sources are the ways in which a request may carry a key. Default:
	// OtterSources().
	Sources []Source
	// Errors answers refused requests. Default: ProblemErrors.
	Errors ErrorHandler
	// Realm is named in challenges: printable ASCII without quotes and
	// backslashes. Default: "API".
	Realm string

	// Prefix begins generated keys, an underscore behind it: a lower-case letter
	// and up to four more lower-case letters or digits. Keys of other prefixes stay valid.
	// Default: DefaultPrefix.
	Prefix string
	// CustomPolicy judges the texts that administrators choose as keys, after the
	// rules that all keys obey. Default: all others are accepted, and weak ones
	// flagged.
	CustomPolicy CustomPolicy
	// Peppers are what digests are made under, new ones under the first. Keys whose
	// digests are under the others still open, and move to the first as they are used. Several nodes
	// change to a new pepper in two steps: first all of them accept it, {old, new},
	// then all of them prefer it, {new, old}. Once the old one is left out, keys
	// that were not used in between are unknown. Default: plain SHA-256, which is
	// safe for generated keys.
	Peppers []Pepper
	// Delegation may allow or forbid more to those who manage keys. Default: the
	// rules stated at [Actor].
	Delegation DelegationPolicy

	// MaxBody is the size in bytes up to which a body is searched for a key.
	// Default: 1 MiB.
	MaxBody int64
	// BodyTimeout is how long reading such a body may take in all. Default: 5 s.
	// -1: size alone bounds it.
	BodyTimeout time.Duration
	// BodyBudget bounds the bytes of such bodies that unauthenticated requests
	// hold at one time. Default: 32 MiB. -1: no bound.
	BodyBudget int64

	// StoreTimeout is how long a lookup may take, waiting included. Default: 2 s.
	StoreTimeout time.Duration
	// MaxLookups is how many lookups may be under way; others wait. Default: 64.
	MaxLookups int

	// Cache says what is kept of lookups.
	Cache CacheOptions
	// Log says what becomes of the access log.
	Log LogOptions

	// KeepCredential leaves the credential in the request handed on.
	KeepCredential bool
	// NoCacheHeaders leaves responses to authenticated requests without
	// "Cache-Control: private, no-store" and Vary. HTTP caches do not know that
	// X-ApiKey authenticates, and may serve one client's answer to another.
	NoCacheHeaders bool

	// Logger is told what an operator must know: a store that fails, stored
	// permissions that the catalog has lost. Default: slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy in which every field holds what it stands for.
func (o *Options) withDefaults(store Store) Options {
	var c Options
	if o != nil {
		c = *o
	}
	c.Catalog = orDefault(c.Catalog, OtterCatalog())
	c.Sources = orDefault(c.Sources, OtterSources())
	c.Peppers = orDefault(c.Peppers, []Pepper{NoPepper()})
	if c.Errors == nil {
		c.Errors = ProblemErrors
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Cache.setDefaults()
	c.Log.setDefaults(store)
	setDefault(&c.Realm, "API")
	setDefault(&c.Prefix, DefaultPrefix)
	setDefault(&c.MaxBody, 1<<20)
	setDefault(&c.BodyTimeout, 5*time.Second)
	setDefault(&c.BodyBudget, 32<<20)
	setDefault(&c.StoreTimeout, 2*time.Second)
	setDefault(&c.MaxLookups, 64)
	return c
}

func orDefault[S ~[]E, E any](s, otherwise S) S {
	if s == nil {
		return otherwise
	}
	return slices.Clone(s)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports every mistake in options that withDefaults has filled in.
func (o *Options) validate() error {
	errs := []error{
		o.Catalog.validate(), validateSources(o.Sources), validatePrefix(o.Prefix), validateRealm(o.Realm),
		o.Cache.validate(), o.Log.validate(),
	}
	if len(o.Catalog) == 0 {
		errs = append(errs, errors.New("apikey: an empty Catalog; nil stands for Otter's"))
	}
	if len(o.Peppers) == 0 {
		errs = append(errs, errors.New("apikey: empty Peppers; nil stands for no pepper"))
	}
	for _, p := range o.Peppers {
		errs = append(errs, p.validate())
	}
	bound := func(name string, value int64, orOff bool) {
		if value < 0 && (!orOff || value != -1) {
			legal := "a positive number, or 0 for the default"
			if orOff {
				legal += ", or -1 for none"
			}
			errs = append(errs, fmt.Errorf("apikey: Options.%s is %d; legal is %s", name, value, legal))
		}
	}
	bound("MaxBody", o.MaxBody, false)
	bound("BodyTimeout", int64(o.BodyTimeout), true)
	bound("BodyBudget", o.BodyBudget, true)
	bound("StoreTimeout", int64(o.StoreTimeout), false)
	bound("MaxLookups", int64(o.MaxLookups), false)
	return errors.Join(errs...)
}

func validateRealm(realm string) error {
	if strings.ContainsFunc(realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return fmt.Errorf("apikey: realm %q is not printable ASCII without quotes and backslashes", realm)
	}
	return nil
}
