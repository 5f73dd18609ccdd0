// Package openapiclient is a client of the JSON API that a generator has made of
// its OpenAPI document, as a user of the API would have it.
package openapiclient

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config config.yaml ../../../admin/openapi.json
