package apikey

import (
	"strings"
	"testing"
)

// typicalBodies are of the kinds that services send, and hostileBodies of those that
// cost a search most: each is all that some finder stops at. Both are 4 kB or a little
// more.
var (
	typicalBodies = []benchBody{
		{"JSON", "application/json", `{"items":[` + strings.Repeat(
			`{"id":4711,"name":"web-01","roles":["admin","deploy"],"owner":"joe","active":true,"created_at":"2026-05-01T12:30:00Z","note":null},`, 31) + `{"text":"x\ny"}]}`},
		{"indented JSON", "application/json", "{\n  \"items\": [\n" + strings.Repeat(
			"    {\n      \"id\": 4711,\n      \"name\": \"web-01\",\n      \"active\": true,\n      \"description\": \"serves the pages\"\n    },\n", 36) + "  ]\n}\n"},
		{"escaped JSON", "application/json", `{"items":[` + strings.Repeat(`{"name":"web-01","roles":["a","b"],"text":"x\ny","active":true},`, 62) + `{}]}`},
		{"mixed JSON", "application/json", `{"items":[` + strings.Repeat(
			`{"id":4711,"host":"server-17.example.org","ratio":0.25,"city":"Köln","text":"two\nlines","note":"some words of prose, and some more"},`, 31) + `{}]}`},
		{"one string", "application/json", `{"name":"` + strings.Repeat("x", 4<<10) + `"}`},
		{"a form", "application/x-www-form-urlencoded", strings.Repeat("name=web-01&role=deploy&text=what+is+this%3F&active=1&", 76) + "a=1"},
		{"log lines", "text/plain", strings.Repeat(
			"2026-05-01T12:30:00Z INFO served user=joe path=/api/servers/web-01 status=200 in 12 ms and went on to the next one\n", 36)},
		{"other letters", "application/json", `{"items":[` + strings.Repeat(`{"stadt":"Köln am Rhein","größe":12,"名前":"東京都"},`, 62) + `{}]}`},
	}
	hostileBodies = []benchBody{
		{"escapes of JSON", "application/json", strings.Repeat(`\u0041`, 683)},
		{"escapes of URLs", "text/plain", strings.Repeat(`%2541`, 820)},
		{"escapes of HTML", "text/html", strings.Repeat(`&amp;`, 820)},
		{"broken escapes", "text/plain", strings.Repeat(`%z\u&;`, 683)},
		{"signs", "text/plain", strings.Repeat(":=_% ", 820)},
		{"names", "application/json", strings.Repeat(`"xtoken_":=`, 373)},
		{"secrets", "application/json", strings.Repeat(`"pin":1,`, 512)},
		{"schemes", "text/plain", strings.Repeat("Bearer Basic ", 316)},
		{"almost shapes", "text/plain", strings.Repeat("a_"+shapeText[6:54], 82)},
		{"beginnings of the key", "text/plain", strings.Repeat(shapeText[:40], 103)},
		{"the key", "text/plain", strings.Repeat(shapeText, 75)},
	}
)

type benchBody struct{ name, mediaType, text string }

func BenchmarkMaskBody(b *testing.B) {
	m := newMasker(nil)
	for kind, bodies := range map[string][]benchBody{"typical": typicalBodies, "hostile": hostileBodies} {
		for _, body := range bodies {
			b.Run(kind+"/"+body.name, func(b *testing.B) {
				text := []byte(body.text)
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				keys := [2]string{shapeText, strings.ToLower(shapeText)} // of two clients
				for i := 0; b.Loop(); i++ {
					m.body(text, body.mediaType, otterPlaces, maskedKeys(keys[i%2:][:1]), 16<<10)
				}
			})
		}
	}
}

// BenchmarkMaskEntry is what an entry without bodies has masked.
func BenchmarkMaskEntry(b *testing.B) {
	m := newMasker(nil)
	b.ReportAllocs()
	for b.Loop() {
		keys := maskedKeys([]string{shapeText})
		m.line("192.0.2.1", keys)
		m.line("", keys)
		m.line("POST", keys)
		m.line("/api/infrastructure/servers/web-01", keys)
		m.line("/api/infrastructure/servers/{name}", nil)
		m.query("page=2&sort=name", otterPlaces, keys)
		m.line("", keys)
		m.line("application/json", keys)
		m.line("application/json; charset=utf-8", keys)
	}
}
