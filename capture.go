package apikey

import (
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
)

// A capture keeps the beginning of a body as it goes by. It is safe for concurrent
// use, and after its end does nothing: a handler that ran into a time limit may
// read on while the entry is being written.
type capture struct {
	pool *bufferPool

	mu    sync.Mutex
	body  recordedBody
	sniff bool // the type is what the beginning of the body looks like
	ended bool
}

// start begins to keep a body with these headers, if it is of a type that is kept.
// Where sniff is set and there is no type, it is what net/http will find it to be.
func (c *capture) start(h http.Header, sniff bool) {
	types, typed := h["Content-Type"]
	encoded := !isIdentity(h["Content-Encoding"]) // it would have to be inflated to be masked
	c.mu.Lock()
	defer c.mu.Unlock()
	if sniff && !typed && !encoded {
		c.sniff = true
		return
	}
	contentType := ""
	if len(types) > 0 {
		contentType = types[0]
	}
	c.setType(contentType)
	if encoded && c.body.omitted == "" {
		c.body.omitted = omittedEncoded
	}
}

// setType notes the type, and that nothing is kept unless it is a text. The caller
// holds mu.
func (c *capture) setType(contentType string) {
	var text bool
	if c.body.mediaType, text = mediaTypeOf(contentType); !text {
		c.body.omitted = omittedBinary
	}
}

// keep keeps what fits of data, and counts the rest.
func keep[D []byte | string](c *capture, data D) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.body.length += int64(len(data))
	if c.body.omitted != "" || len(data) == 0 {
		return
	}
	c.body.buffer = addTo(c.pool, c.body.buffer, data)
	if len(*c.body.buffer) >= sniffLen {
		c.settle()
	}
}

// sniffLen is how much of a body http.DetectContentType looks at.
const sniffLen = 512

// settle finds the type of a body that has none from what is there. The caller
// holds mu.
func (c *capture) settle() {
	if !c.sniff || c.body.buffer == nil {
		return
	}
	c.sniff = false
	if c.setType(http.DetectContentType(*c.body.buffer)); c.body.omitted != "" {
		c.pool.put(c.body.buffer)
		c.body.buffer = nil
	}
}

// flushed notes that what there is of the body is on its way, and with it the type
// that it looks like.
func (c *capture) flushed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.settle()
	}
}

// wants reports whether more of the body would be kept.
func (c *capture) wants() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.ended && c.body.omitted == "" &&
		(c.body.buffer == nil || len(*c.body.buffer) < c.pool.most())
}

// skip counts n bytes that are not kept.
func (c *capture) skip(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.body.length += n
}

// end returns what was kept, and keeps no more. An empty body is none, and so is
// that of no capture.
func (c *capture) end() recordedBody {
	if c == nil {
		return recordedBody{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	c.ended = true
	body := c.body
	c.body = recordedBody{}
	if body.length == 0 {
		return recordedBody{}
	}
	return body
}

// textTypes are the types, beside text/ and those that end in +json or +xml, whose
// bodies are kept.
var textTypes = map[string]bool{
	"application/json":                  true,
	"application/x-ndjson":              true,
	"application/jsonl":                 true,
	"application/xml":                   true,
	"application/x-www-form-urlencoded": true,
	"application/javascript":            true,
	"application/graphql":               true,
	"application/yaml":                  true,
	"application/toml":                  true,
	"application/sql":                   true,
}

// mediaTypeOf returns the type without its parameters, and whether it is a text that
// can be searched for keys, which no other charset than UTF-8 can. Without a type it
// is a stream of bytes (RFC 9110, section 8.3).
func mediaTypeOf(contentType string) (mediaType string, text bool) {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType == "" {
		mediaType, _, _ = strings.Cut(contentType, ";")
		if mediaType = strings.TrimSpace(mediaType); mediaType == "" {
			mediaType = "application/octet-stream"
		}
		return strings.Clone(mediaType), false
	}
	if len(mediaType) < len(contentType) {
		mediaType = strings.Clone(mediaType) // the header may be long, and entries wait
	}
	return mediaType, isUTF8(params["charset"]) && (textTypes[mediaType] || strings.HasPrefix(mediaType, "text/") ||
		strings.HasSuffix(mediaType, "+json") || strings.HasSuffix(mediaType, "+xml"))
}

// A capturedReader is a request's body, of which what the handler reads is kept.
type capturedReader struct {
	io.ReadCloser
	capture *capture
}

func (c *capturedReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	keep(c.capture, p[:n])
	return n, err
}
