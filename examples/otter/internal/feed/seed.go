package feed

import "net/http"

// Seeded returns a feed of one package, hello, which needs no other.
func Seeded() http.Handler {
	f, err := New(Package{
		Name:        "hello",
		Version:     "1.0.0",
		Description: "Says hello",
		Files: map[string]string{
			"index.js":  "module.exports = () => \"Hello from Otter\";\n",
			"README.md": "# hello\n\n`require(\"hello\")()` returns a greeting.\n",
		},
	})
	if err != nil {
		panic(err) // every test of this package would show it
	}
	return f
}
