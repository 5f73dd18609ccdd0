package apikeytest

import (
	"context"
	"slices"
	"strings"

	"github.com/seed-be062aaa/apikey"
)

var listFaults = []faultRow{
	{"List is in ascending order", []string{"List sorts IDs by their bytes"}, func() fault {
		return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
			keys, err := s.List(ctx, q)
			slices.Reverse(keys)
			return keys, err
		}}
	}},
	{"List includes After", []string{"List turns pages"}, func() fault {
		return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
			if q.After != "" {
				q.After += "\x00"
			}
			return s.List(ctx, q)
		}}
	}},
	{"List takes % for a wildcard", []string{"List searches texts"}, func() fault {
		return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
			q.Search = strings.Trim(q.Search, "%")
			return s.List(ctx, q)
		}}
	}},
	{"List folds more than ASCII", []string{"List searches texts"}, func() fault {
		return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
			q.Search = strings.ToUpper(q.Search)
			return s.List(ctx, q)
		}}
	}},
	{"List of nothing is ErrNotFound", []string{"List of nothing is empty"}, func() fault {
		return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
			keys, err := s.List(ctx, q)
			if len(keys) == 0 {
				return nil, apikey.ErrNotFound
			}
			return keys, err
		}}
	}},
	{"List filters after it cut the page", []string{"List searches page by page"}, func() fault {
		return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
			matching, err := s.List(ctx, apikey.Query{Search: q.Search, Limit: 1000})
			if err != nil {
				return nil, err
			}
			page, err := s.List(ctx, apikey.Query{After: q.After, Limit: q.Limit})
			return slices.DeleteFunc(page, func(k *apikey.Key) bool {
				return !slices.Contains(idsOf(matching), k.ID)
			}), err
		}}
	}},
	{"List hands out its own keys", []string{"hands out copies everywhere"}, func() fault {
		var own []*apikey.Key
		return fault{list: func(s full, ctx context.Context, q apikey.Query) (_ []*apikey.Key, err error) {
			if own == nil {
				own, err = s.List(ctx, q)
			}
			return own, err
		}}
	}},
}
