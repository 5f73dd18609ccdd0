// Package apikey will be described here.
package apikey
