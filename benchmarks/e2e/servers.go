package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	fiberlog "github.com/gofiber/fiber/v3/middleware/logger"
	echo4 "github.com/labstack/echo/v4"
	middleware4 "github.com/labstack/echo/v4/middleware"
	echo5 "github.com/labstack/echo/v5"
	middleware5 "github.com/labstack/echo/v5/middleware"
	"github.com/valyala/fasthttp"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
	"github.com/seed-be062aaa/apikey/sqlstore/sqlite"
)

const answer = `{"status":"running"}`

// serve is the server of that name until ctx is done. It holds so many megabytes in
// memory, besides what it works with.
func serve(ctx context.Context, name, dir string, megabytes int) error {
	held := peers.Hold(megabytes)
	defer runtime.KeepAlive(held)
	s := server{dir: dir}
	handler, err := s.handler(ctx, name)
	if err != nil {
		return errors.Join(err, s.close())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it lives as long as the process
	if err != nil {
		return err
	}
	statsListener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // the same
	if err != nil {
		return err
	}
	fmt.Printf("http://%s http://%s\n", listener.Addr(), statsListener.Addr())
	failed := make(chan error, 2)
	go func() { failed <- httpServer(http.HandlerFunc(s.stats)).Serve(statsListener) }()
	go func() {
		if handler.Fast != nil {
			failed <- (&fasthttp.Server{Handler: handler.Fast}).Serve(listener)
			return
		}
		failed <- httpServer(handler.HTTP).Serve(listener)
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return s.close()
	}
}

func httpServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
}

// A server is what one process has to close in the end, and the log that it keeps, if
// any.
type server struct {
	dir    string
	auth   *apikey.Authority
	log    peers.Recording
	closes []func() error
}

func (s *server) close() (err error) {
	if s.auth != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = s.auth.Shutdown(ctx)
	}
	for _, f := range s.closes {
		err = errors.Join(err, f())
	}
	return err
}

func (s *server) handler(ctx context.Context, name string) (peers.Handler, error) {
	if peer, shape, _ := strings.Cut(name, "-"); peer == "echo4" || peer == "echo5" || peer == "fiber3" {
		return peerHandler(peer, shape), nil
	}
	switch name {
	case "bare":
		return peers.Handler{HTTP: router()}, nil
	case "floor":
		keys := peerKeys()
		floor := func(next http.Handler) http.Handler { return peers.Floor(keys, peers.Need, next) }
		return peers.Handler{HTTP: router(floor)}, nil
	case "floor-shipped":
		keys, log := peerKeys(), peers.NewFloorLog()
		s.log = log
		s.closes = append(s.closes, func() error { log.Close(); return nil })
		floor := func(next http.Handler) http.Handler { return log.Floor(keys, peers.Need, next) }
		return peers.Handler{HTTP: router(floor)}, nil
	}
	store, opts, err := s.parts(ctx, name)
	if err != nil {
		return peers.Handler{}, err
	}
	s.auth, err = apikey.New(ctx, store, opts)
	if err != nil {
		return peers.Handler{}, err
	}
	if !opts.Log.Off {
		s.log = s.auth
	}
	return peers.Handler{HTTP: router(s.auth.Require(peers.Need))}, nil
}

// parts returns the store and the options of the library's server of that name.
func (s *server) parts(ctx context.Context, name string) (apikey.Store, *apikey.Options, error) {
	opts := &apikey.Options{Log: apikey.LogOptions{Sink: peers.NullSink{}}}
	var store apikey.ManagedStore = apikey.NewMemoryStore()
	switch name {
	case "authenticated":
		opts.Log = apikey.LogOptions{Off: true}
	case "log-null":
	case "log-sqlite":
		log, err := sqlite.OpenLog(ctx, filepath.Join(s.dir, "log.db"), nil)
		if err != nil {
			return nil, nil, err
		}
		opts.Log.Sink = log
		s.closes = append(s.closes, log.Close)
	case "store-sqlite":
		keys, err := sqlite.Open(ctx, filepath.Join(s.dir, "keys.db"))
		if err != nil {
			return nil, nil, err
		}
		store, opts.Cache.On = keys, true
		s.closes = append(s.closes, keys.Close)
	default:
		return nil, nil, fmt.Errorf("no server %q", name)
	}
	return store, opts, fill(ctx, store)
}

func fill(ctx context.Context, store apikey.ManagedStore) error {
	return errors.Join(
		peers.Fill(ctx, store, 0, keyCount, apikey.LogNone),
		peers.Fill(ctx, store, keyCount, inTurn, apikey.LogBoth),
	)
}

// router returns the handler that all of the library's servers have. It answers
// GET with a short text, and POST with what it has read.
func router(inner ...func(http.Handler) http.Handler) http.Handler {
	r := chi.NewRouter()
	r.With(inner...).Get(peers.Path, func(w http.ResponseWriter, _ *http.Request) { peers.Answer(w, answer) })
	r.With(inner...).Post(peers.Path, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "the body ended early", http.StatusBadRequest)
			return
		}
		peers.Answer(w, body)
	})
	return r
}

// peerHandler returns a peer in one of three shapes, whose access log goes nowhere.
func peerHandler(peer, shape string) peers.Handler {
	var keys peers.Keys
	if shape != "bare" {
		keys = peerKeys()
	}
	logged := shape == "log-null"
	switch peer {
	case "echo5":
		var outer []echo5.MiddlewareFunc
		if logged {
			outer = append(outer, echo5Log)
		}
		return peers.Echo5(keys, peers.Header, answer, outer...)
	case "echo4":
		var outer []echo4.MiddlewareFunc
		if logged {
			//nolint:staticcheck // deprecated, and what most servers have
			outer = append(outer, middleware4.LoggerWithConfig(middleware4.LoggerConfig{Output: io.Discard}))
		}
		return peers.Echo4(keys, peers.Header, answer, outer...)
	default:
		var outer []any
		if logged {
			outer = append(outer, fiberlog.New(fiberlog.Config{Stream: io.Discard}))
		}
		return peers.Fiber(keys, peers.Header, answer, outer...)
	}
}

func peerKeys() peers.Keys {
	keys := peers.Keys{}
	for i := range keyCount {
		keys.Add(peers.NewKey(i))
	}
	return keys
}

// echo5Log is echo's request logger with the logger that it would use by default,
// but for where it writes.
func echo5Log(next echo5.HandlerFunc) echo5.HandlerFunc {
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	inner := middleware5.RequestLogger()(next)
	return func(c *echo5.Context) error {
		c.SetLogger(logger)
		return inner(c)
	}
}
