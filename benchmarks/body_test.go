package benchmarks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"
	"github.com/valyala/fastjson"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

// bodySizes are in bytes, and bodyPlaces where in a body the key stands.
var (
	bodySizes = []struct {
		name  string
		bytes int
	}{{"200B", 200}, {"10kB", 10_000}, {"1MB", 1_000_000}}
	bodyPlaces = []string{"first", "last", "absent"}
)

// eachBody runs a benchmark for each size, and each place of the key.
func eachBody(b *testing.B, render func(parts []string, place, text string) string, partsOf func(size int) []string,
	subjects func(body []byte, present bool) []subject,
) {
	b.Helper()
	for _, size := range bodySizes {
		for _, place := range bodyPlaces {
			b.Run("size="+size.name+"/key="+place, func(b *testing.B) {
				parts := partsOf(size.bytes - 70) // less what the key takes
				body := []byte(render(parts, place, peers.Text(1)))
				inOrder(b, 1, subjects(body, place != "absent")...)
			})
		}
	}
}

func placed(parts []string, place, key string) []string {
	switch place {
	case "first":
		return append([]string{key}, parts...)
	case "last":
		return append(parts, key)
	}
	return parts
}

// posted serves POST requests with the body, and in the header one of the keys after
// another, if there are any.
func posted(h http.Handler, contentType string, body []byte, keys ...string) caller {
	return func(n int) func() {
		r, w := newRequest(http.MethodPost), newDiscard(false)
		r.Header.Set("Content-Type", contentType)
		next := func() {}
		if len(keys) > 0 {
			next = inTurn(r, "X-ApiKey", keys, n)
		}
		r.ContentLength = int64(len(body))
		reader := bytes.NewReader(body)
		closer := io.NopCloser(reader)
		return func() {
			next()
			reader.Reset(body)
			r.Body, r.Form, r.PostForm = closer, nil, nil
			w.serve(h, r)
		}
	}
}

// required serves requests with a key in their body, or none, through a guard: it
// gives a body's buffer back once its handler has returned. What it adds to the
// decision is the call of a handler that does nothing, be it the guarded one or that
// for refusals.
func required(b *testing.B, present bool) http.Handler {
	b.Helper()
	opts := kept()
	opts.Errors = func(_ http.ResponseWriter, _ *http.Request, e *apikey.Error) {
		if present || e.Reason != apikey.ErrNoKey {
			panic(fmt.Sprint("the key's presence is ", present, ": ", e))
		}
	}
	auth := newAuthority(b, keysOf(b, 1_000).store, opts)
	return auth.Require(peers.Need)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if !present {
			panic("served without a key")
		}
	}))
}

// readAll reads a body of declared length, as quickly as that can be done.
func readAll(r *http.Request) []byte {
	data := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, data); err != nil {
		panic(err)
	}
	return data
}

// found is a handler that reads the body and looks for a key by itself.
func found(keys peers.Keys, present bool, find func(body []byte) string) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if text := find(readAll(r)); (keys.Find(text, peers.Need) != nil) != present {
			panic(fmt.Sprintf("found %q", text))
		}
	})
}

// BenchmarkForm is the decision on a request with a key in its form. "scan" reads
// to the declared size and looks at each pair; "parse" is ParseForm.
func BenchmarkForm(b *testing.B) {
	const contentType = "application/x-www-form-urlencoded"
	set := keysOf(b, 1_000)
	render := func(parts []string, place, text string) string {
		return strings.Join(placed(parts, place, "key="+text), "&")
	}
	parts := func(size int) []string {
		return peers.Parts(size, func(r *rand.Rand) string { // fewer than 10,000 in all, more than which Go refuses to parse
			return fmt.Sprintf("field%d=some+value%%20%s", r.IntN(1000), strings.Repeat("x", r.IntN(300)))
		})
	}
	eachBody(b, render, parts, func(body []byte, present bool) []subject {
		all := []subject{
			{impl: "kept", call: posted(required(b, present), contentType, body)},
			{impl: "scan", call: posted(found(set.keys, present, scanForm), contentType, body)},
			{impl: "parse", call: posted(parsed(set.keys, present), contentType, body)},
		}
		if present {
			all = append(
				all,
				subject{impl: "echo5", call: posted(peers.Echo5(set.keys, peers.Form, "").HTTP, contentType, body)},
				subject{impl: "echo4", call: posted(peers.Echo4(set.keys, peers.Form, "").HTTP, contentType, body)},
			)
		}
		return all
	})
}

func parsed(keys peers.Keys, present bool) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			panic(err)
		}
		if (keys.Find(r.PostForm.Get("key"), peers.Need) != nil) != present {
			panic(fmt.Sprint("the key's presence is ", present))
		}
	})
}

// scanForm is what one would write by hand.
func scanForm(body []byte) string {
	for len(body) > 0 {
		pair := body
		if end := bytes.IndexByte(body, '&'); end >= 0 {
			pair, body = body[:end], body[end+1:]
		} else {
			body = nil
		}
		if text, ok := bytes.CutPrefix(pair, []byte("key=")); ok {
			return string(text)
		}
	}
	return ""
}

// BenchmarkJSON is the decision on a request with a key in its JSON. The others
// read the body to its declared size, and then:
//
//   - jsontext reads all, strictly: UTF-8, no duplicate names
//   - jsontext-lax reads all, but for those two
//   - gjson is Valid and Get
//   - fastjson parses all
//   - encoding-json decodes into a struct of one field
func BenchmarkJSON(b *testing.B) {
	set := keysOf(b, 1_000)
	render := func(parts []string, place, text string) string {
		return "{" + strings.Join(placed(parts, place, `"API_Key":"`+text+`"`), ",") + "}"
	}
	eachBody(b, render, peers.Members, func(body []byte, present bool) []subject {
		all := []subject{{impl: "kept", call: posted(required(b, present), "application/json", body)}}
		for impl, find := range jsonFinders() {
			all = append(all, subject{impl: impl, call: posted(found(set.keys, present, find), "application/json", body)})
		}
		return all
	})
}

func jsonFinders() map[string]func(body []byte) string {
	var parsers fastjson.ParserPool
	return map[string]func([]byte) string{
		"jsontext": func(body []byte) string { return textFind(body) },
		"jsontext-lax": func(body []byte) string {
			return textFind(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		},
		"gjson": func(body []byte) string {
			if !gjson.ValidBytes(body) {
				return ""
			}
			return gjson.GetBytes(body, "API_Key").String()
		},
		"fastjson": func(body []byte) string {
			p := parsers.Get()
			defer parsers.Put(p)
			v, err := p.ParseBytes(body)
			if err != nil {
				return ""
			}
			return string(v.GetStringBytes("API_Key"))
		},
		"encoding-json": func(body []byte) string {
			var v struct {
				Key string `json:"API_Key"`
			}
			if json.Unmarshal(body, &v) != nil {
				return ""
			}
			return v.Key
		},
	}
}

// textFind reads to the end of the body, skipping the values of all other members.
// Names are compared as they are spelt, which is quicker than right.
func textFind(body []byte, opts ...jsontext.Options) (key string) {
	d, _ := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(d)
	d.Reset(bytes.NewBuffer(body), opts...)
	if token, err := d.ReadToken(); err != nil || token.Kind() != '{' {
		return ""
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		switch {
		case err != nil:
			return ""
		case string(name) != `"API_Key"`:
			err = d.SkipValue()
		default:
			var value jsontext.Token
			value, err = d.ReadToken()
			key = value.String()
		}
		if err != nil {
			return ""
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return ""
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return ""
	}
	return key
}

var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(bytes.NewReader(nil)) }}
