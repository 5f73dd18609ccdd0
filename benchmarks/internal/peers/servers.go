package peers

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/jwtauth/v5"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/extractors"
	"github.com/gofiber/fiber/v3/middleware/keyauth"
	echo4 "github.com/labstack/echo/v4"
	middleware4 "github.com/labstack/echo/v4/middleware"
	echo5 "github.com/labstack/echo/v5"
	middleware5 "github.com/labstack/echo/v5/middleware"
	"github.com/valyala/fasthttp"
)

// A Place is where a server looks for the key.
type Place string

// The places, in the names that echo gives them.
const (
	Header Place = "header:X-ApiKey"
	Query  Place = "query:key"
	Form   Place = "form:key"
)

// A Handler is one of the two kinds that there are.
type Handler struct {
	HTTP http.Handler
	Fast fasthttp.RequestHandler
}

// A Server is a peer in two shapes: with its key check, and its router alone. The
// difference is what the check costs.
type Server struct {
	Name          string
	Keyed, Router Handler
	// Token is what a client sends in place of a key, where that is not a key.
	Token string
}

// Servers returns the peers that can take a key from there. Their handlers answer
// with the text, or with nothing at all where it is empty.
func Servers(keys Keys, place Place, answer string) []Server {
	servers := []Server{
		{Name: "echo5", Keyed: Echo5(keys, place, answer), Router: Echo5(nil, place, answer)},
		{Name: "echo4", Keyed: Echo4(keys, place, answer), Router: Echo4(nil, place, answer)},
		{Name: "fiber3", Keyed: Fiber(keys, place, answer), Router: Fiber(nil, place, answer)},
	}
	if place != Form {
		servers = append(servers, Server{Name: "huma", Keyed: Huma(keys, place, answer), Router: Huma(nil, place, answer)})
	}
	if place == Header {
		servers = append(servers, jwt(answer))
	}
	return servers
}

// Echo5 returns echo v5 with KeyAuth, or alone where keys is nil.
func Echo5(keys Keys, place Place, answer string, outer ...echo5.MiddlewareFunc) Handler {
	e := echo5.New()
	e.Use(outer...)
	var inner []echo5.MiddlewareFunc
	if keys != nil {
		inner = append(inner, middleware5.KeyAuthWithConfig(middleware5.KeyAuthConfig{
			KeyLookup: string(place),
			Validator: func(c *echo5.Context, text string, _ middleware5.ExtractorSource) (bool, error) {
				key := keys.Find(text, Need)
				c.Set("key", key)
				return key != nil, nil
			},
		}))
	}
	handle := func(c *echo5.Context) error {
		if answer == "" {
			return nil
		}
		return c.JSONBlob(http.StatusOK, []byte(answer))
	}
	e.GET(Path, handle, inner...)
	e.POST(Path, handle, inner...)
	return Handler{HTTP: e}
}

// Echo4 returns echo v4 with KeyAuth, or alone where keys is nil.
func Echo4(keys Keys, place Place, answer string, outer ...echo4.MiddlewareFunc) Handler {
	e := echo4.New()
	e.Use(outer...)
	var inner []echo4.MiddlewareFunc
	if keys != nil {
		inner = append(inner, middleware4.KeyAuthWithConfig(middleware4.KeyAuthConfig{
			KeyLookup: string(place),
			Validator: func(text string, c echo4.Context) (bool, error) {
				key := keys.Find(text, Need)
				c.Set("key", key)
				return key != nil, nil
			},
		}))
	}
	handle := func(c echo4.Context) error {
		if answer == "" {
			return nil
		}
		return c.JSONBlob(http.StatusOK, []byte(answer))
	}
	e.GET(Path, handle, inner...)
	e.POST(Path, handle, inner...)
	return Handler{HTTP: e}
}

// Fiber returns fiber v3 with keyauth, or alone where keys is nil.
func Fiber(keys Keys, place Place, answer string, outer ...any) Handler {
	app := fiber.New()
	if len(outer) > 0 {
		app.Use(outer...)
	}
	if keys != nil {
		app.Use(keyauth.New(keyauth.Config{
			Extractor: fiberExtractor(place),
			Validator: func(c fiber.Ctx, text string) (bool, error) {
				key := keys.Find(text, Need)
				c.Locals(contextKey{}, key)
				return key != nil, nil
			},
		}))
	}
	handle := func(c fiber.Ctx) error {
		if answer == "" {
			return nil
		}
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.SendString(answer)
	}
	app.Get(Path, handle)
	app.Post(Path, handle)
	return Handler{Fast: app.Handler()}
}

func fiberExtractor(place Place) extractors.Extractor {
	switch place {
	case Query:
		return extractors.FromQuery("key")
	case Form:
		return extractors.FromForm("key")
	default:
		return extractors.FromHeader("X-ApiKey")
	}
}

type contextKey struct{}

// Huma returns huma on chi, with the middleware that its documentation shows, or
// without where keys is nil.
func Huma(keys Keys, place Place, answer string) Handler {
	config := huma.DefaultConfig("Jobs", "1.0.0")
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"apiKey": {Type: "apiKey", In: "header", Name: "X-ApiKey"},
	}
	router := chi.NewRouter()
	api := humachi.New(router, config)
	operation := huma.Operation{OperationID: "status", Method: http.MethodGet, Path: Path}
	if keys != nil {
		operation.Security = []map[string][]string{{"apiKey": {string(Need)}}}
		api.UseMiddleware(humaCheck(api, keys, place))
	}
	type output struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
	if answer == "" {
		huma.Register(api, operation, func(context.Context, *struct{}) (*struct{}, error) {
			return nil, nil //nolint:nilnil // nothing to answer is an answer in huma
		})
	} else {
		huma.Register(api, operation, func(context.Context, *struct{}) (*output, error) {
			return &output{"application/json", []byte(answer)}, nil
		})
	}
	return Handler{HTTP: router}
}

func humaCheck(api huma.API, keys Keys, place Place) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		required := false
		for _, scheme := range ctx.Operation().Security {
			if _, ok := scheme["apiKey"]; ok {
				required = true
				break
			}
		}
		if !required {
			next(ctx)
			return
		}
		text := ctx.Header("X-ApiKey")
		if place == Query {
			text = ctx.Query("key")
		}
		key := keys.Find(text, Need)
		if key == nil {
			_ = huma.WriteErr(api, ctx, http.StatusUnauthorized, "Unauthorized")
			return
		}
		next(huma.WithValue(ctx, contextKey{}, key))
	}
}

// jwt returns chi with jwtauth, which looks nothing up: a token holds all there is
// to know.
func jwt(answer string) Server {
	auth := jwtauth.New("HS256", []byte("a secret of thirty-two characters"), nil)
	_, token, err := auth.Encode(map[string]any{"sub": "42", "scope": string(Need), "exp": int64(1) << 33})
	if err != nil {
		panic(err)
	}
	handler := func(w http.ResponseWriter, _ *http.Request) { Answer(w, answer) }
	keyed, router := chi.NewRouter(), chi.NewRouter()
	keyed.With(jwtauth.Verifier(auth), jwtauth.Authenticator(auth)).Get(Path, handler)
	router.Get(Path, handler)
	return Server{Name: "jwtauth", Keyed: Handler{HTTP: keyed}, Router: Handler{HTTP: router}, Token: "Bearer " + token}
}

// Answer writes the text as JSON, or nothing where it is empty.
func Answer(w http.ResponseWriter, text string) {
	if text == "" {
		return
	}
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write([]byte(text))
}

var jsonType = []string{"application/json"}
