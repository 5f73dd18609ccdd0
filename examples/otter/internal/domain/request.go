package domain

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
)

// maxBody is how many bytes of a request body are read.
const maxBody = 1 << 20

// pathParam returns a path parameter without escapes. chi routes by the path as it was written
// where that differs from the usual way of writing it, and then hands out parameters still escaped.
func pathParam(r *http.Request, name string) string {
	value := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return value
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// parameters gathers the parameters of the query string and of a urlencoded form. [http.Request] reads
// no form in the body of a GET.
func parameters(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return nil, unreadable(err, "The parameters cannot be read: send name=value pairs, "+
			"percent-encoded, in the query string or as the application/x-www-form-urlencoded body of a POST.")
	}
	merged := map[string]string{}
	for _, source := range []url.Values{r.PostForm, r.URL.Query()} {
		for name, values := range source {
			if name == "" {
				return nil, refuse(http.StatusBadRequest, "A parameter has no name: write name=value.")
			}
			if len(values) > 1 {
				return nil, refuse(http.StatusBadRequest,
					"Parameter %q is repeated: give it once.", name)
			}
			merged[name] = values[0]
		}
	}
	return merged, nil
}

// required picks one parameter, which must not be empty.
func required(params map[string]string, name string) (string, error) {
	if value := params[name]; value != "" {
		return value, nil
	}
	return "", refuse(http.StatusBadRequest,
		"Parameter %q is missing: give it in the query string or the form of a POST.", name)
}

// readBody reads a whole body, which must be text.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, unreadable(err, "The body cannot be read to its end.")
	}
	if !utf8.Valid(body) {
		return nil, refuse(http.StatusUnprocessableEntity, "The body is not text: send valid UTF-8.")
	}
	return body, nil
}

// unreadable tells a request that is too large from one that is merely broken.
func unreadable(err error, broken string) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refuse(http.StatusRequestEntityTooLarge,
			"The body is too large: send at most %d bytes.", maxBody)
	}
	return &clientError{http.StatusBadRequest, broken}
}
