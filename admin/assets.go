package admin

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files that pages refer to, by the name under which they are
// served, which changes with what is in them.
type assets map[string]asset

type asset struct {
	name string // in the directory
	kind string
	data []byte
}

var assetKinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() (assets, error) {
	files, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	loaded := assets{}
	for _, file := range files {
		data, err := assetFiles.ReadFile("assets/" + file.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		extension := path.Ext(file.Name())
		name := strings.TrimSuffix(file.Name(), extension) + "-" + hex.EncodeToString(sum[:6]) + extension
		loaded["assets/"+name] = asset{file.Name(), assetKinds[extension], data}
	}
	return loaded, nil
}

// named returns the path, from the prefix on, of the file of that name.
func (a assets) named(name string) string {
	for served, file := range a {
		if file.name == name {
			return served
		}
	}
	return ""
}

// before serves the files, to everybody and without a trace in the access log, and
// leaves other requests to h.
func (a assets) before(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, ok := a[strings.TrimPrefix(placeOf(r.Context()).path, "/")]
		if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", file.kind)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		_, _ = w.Write(file.data)
	})
}
