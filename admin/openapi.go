package admin

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"
	"strings"
)

// openAPI describes the API in OpenAPI 3.1. Its one server is a relative "."; each
// answer names the path instead under which the client has reached the API.
//
//go:embed openapi.json
var openAPI []byte

var openAPIServer = []byte(`"url": "."`)

func (a *api) openAPI(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(a.base, "/")
	if a.base == "" {
		path = "/" + strings.Trim(strings.TrimSuffix(clientPath(r), "openapi.json"), "/")
	}
	server, _ := json.Marshal(path)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(bytes.Replace(openAPI, openAPIServer, append([]byte(`"url": `), server...), 1))
}
