package apikey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// jsonScanFound are texts that have the member API_Key in their root object.
var jsonScanFound = []struct {
	name  string
	body  string
	kind  jsonKind
	value string
	rest  string // what remains after the cut
}{
	// Where the member stands, and what the cut takes with it.
	{"an only member leaves an empty object", `{"API_Key":"k"}`, jsonString, "k", `{}`},
	{"an only member leaves the white space around it", "{ \"API_Key\" : \"k\"\n}", jsonString, "k", "{ \n}"},
	{"a first member takes the comma after it", `{"API_Key":"k","b":2}`, jsonString, "k", `{"b":2}`},
	{"a middle member takes the comma after it", `{"a":1,"API_Key":"k","b":2}`, jsonString, "k", `{"a":1,"b":2}`},
	{"a last member takes the comma before it", `{"a":1,"API_Key":"k"}`, jsonString, "k", `{"a":1}`},
	{"a first member takes the white space up to its comma", `{ "API_Key" : "k" , "b" : 2 }`, jsonString, "k", `{  "b" : 2 }`},
	{"a last member takes the white space after the comma", "{\n\t\"a\": 1,\r\n\t\"API_Key\": \"k\"\n}\n", jsonString, "k", "{\n\t\"a\": 1\n}\n"},
	{"white space before and after the object stays", " \t\r\n{\"API_Key\":\"k\"}\n ", jsonString, "k", " \t\r\n{}\n "},

	// What it holds.
	{"an empty string is a string", `{"API_Key":""}`, jsonString, "", `{}`},
	{"null is null", `{"API_Key":null}`, jsonNull, "", `{}`},
	{"the text null is a string", `{"API_Key":"null"}`, jsonString, "null", `{}`},
	{"a number is not text", `{"API_Key":12.5e3}`, jsonOther, "", `{}`},
	{"true is not text", `{"API_Key":true}`, jsonOther, "", `{}`},
	{"false is not text", `{"API_Key":false}`, jsonOther, "", `{}`},
	{"an array is not text", `{"API_Key":["k", [1]],"b":2}`, jsonOther, "", `{"b":2}`},
	{"an object is not text", `{"a":1,"API_Key":{"key":"k"}}`, jsonOther, "", `{"a":1}`},
	{"nothing is trimmed", `{"API_Key":" k\n"}`, jsonString, " k\n", `{}`},
	{"every short escape is undone", `{"API_Key":"\"\\\/\b\f\n\r\t"}`, jsonString, "\"\\/\b\f\n\r\t", `{}`},
	{"hexadecimal digits may have either case", `{"API_Key":"\u00e9\u00E9\u004B\u004b"}`, jsonString, "ééKK", `{}`},
	{"an escaped NUL is part of the text", `{"API_Key":"a\u0000b"}`, jsonString, "a\x00b", `{}`},
	{"a surrogate pair is one character", `{"API_Key":"<\ud83d\uDD11>"}`, jsonString, "<🔑>", `{}`},
	{"an escaped replacement character is itself", `{"API_Key":"\ufffd"}`, jsonString, "\ufffd", `{}`},
	{"an escaped backslash does not begin another escape", `{"API_Key":"\\u0041\\"}`, jsonString, `\u0041\`, `{}`},
	{"text beyond ASCII needs no escape", `{"API_Key":"ключ 鍵 🔑"}`, jsonString, "ключ 鍵 🔑", `{}`},
	{"DEL is not a control character to JSON", "{\"API_Key\":\"\x7f\"}", jsonString, "\x7f", `{}`},
	{"a brace, comma and colon inside a string are text", `{"API_Key":"}],:{["}`, jsonString, "}],:{[", `{}`},

	// Which member it is.
	{"a name counts as what its escapes stand for", `{"API_\u004bey":"k"}`, jsonString, "k", `{}`},
	{"a name may be escaped to the last byte", `{"\u0041\u0050\u0049\u005f\u004b\u0065\u0079":"k"}`, jsonString, "k", `{}`},
	{"one inside another object is another member", `{"a":{"API_Key":"no"},"API_Key":"k"}`, jsonString, "k", `{"a":{"API_Key":"no"}}`},
	{"one inside the value is another member", `{"API_Key":{"API_Key":"no"}}`, jsonOther, "", `{}`},
	{"one inside an array is another member", `{"a":[{"API_Key":"no"}],"API_Key":"k"}`, jsonString, "k", `{"a":[{"API_Key":"no"}]}`},
	{"the value of another member is not a name", `{"a":"API_Key","API_Key":"k"}`, jsonString, "k", `{"a":"API_Key"}`},
	{"duplicates of other members are not ours to judge", `{"a":1,"a":2,"API_Key":"k"}`, jsonString, "k", `{"a":1,"a":2}`},
	{"half a surrogate pair in another member is not ours to judge", `{"a":"\ud800","\udc00":1,"API_Key":"k"}`, jsonString, "k", `{"a":"\ud800","\udc00":1}`},
}

// jsonScanAbsent are valid texts without the member API_Key in their root object.
var jsonScanAbsent = []struct{ name, body string }{
	{"an empty body", ""},
	{"white space only", " \t\r\n "},
	{"an empty object", "{}"},
	{"an empty object with white space in it", " { \n } "},
	{"a root array", `["API_Key","k",{"API_Key":"k"}]`},
	{"an empty root array", "[ ]"},
	{"a root string", `"API_Key"`},
	{"an empty root string", `""`},
	{"a root number", "-0.5E+10"},
	{"a root literal", " null"},
	{"other letter case", `{"api_key":"k","API_KEY":"k","Api_Key":"k"}`},
	{"the Kelvin sign is not K", `{"API_` + "\u212a" + `ey":"k","API_\u212aey":"k"}`},
	{"a longer name", `{"API_Key2":"k"," API_Key":"k"}`},
	{"a shorter name", `{"API_Ke":"k","":"k"}`},
	{"a name with NUL at the end", `{"API_Key\u0000":"k"}`},
	{"an escaped name that differs at its end", `{"API_\u004bez":"k"}`},
	{"an escaped backslash in the name", `{"API_\\u004bey":"k"}`},
	{"half a surrogate pair in a name never equals anything", `{"API_Key\ud800":"k","API_Key\ud800\u0041":1}`},
	{"a nested member only", `{"a":{"API_Key":"k"}}`},
	{"every kind of number", `[0,-0,1,10,0.0,1.25,1e1,1E+1,1e-1,-1.5e007,12345678901234567890.12345678901234567890]`},
	{"every kind of literal", `[true,false,null]`},
	{"every kind of white space", "[\t1\n,\r2 , {\t\"a\"\n:\r3 } ]"},
	{"half a surrogate pair in a string", `["\ud800","\udc00","\ud800\ud800","\udc00\ud800","\ud800x"]`},
	{"characters of two, three and four bytes", "[\"\u0080\u07ff\u0800\uffff\U00010000\U0010ffff\"]"},
	{"nested containers side by side", `[[],{},[[]],{"a":[]},[{}],{"a":{}}]`},
}

// jsonScanInvalid are texts which encoding/json refuses too.
var jsonScanInvalid = []struct {
	name   string
	body   string
	offset int
}{
	{"nothing but a byte-order mark", "\ufeff", 0},
	{"a byte-order mark before the text", "\ufeff{}", 0},
	{"a second text", `{"API_Key":"k"}{}`, 15},
	{"a comma after the text", `[],`, 2},
	{"a NUL after the text", "{}\x00", 2},
	{"a NUL instead of a text", "\x00", 0},
	{"white space that JSON does not know", "\v{}", 0},
	{"white space of Unicode", "{\u00a0}", 1},
	{"a comment", `{/**/}`, 1},
	{"an object that does not end", `{"API_Key":"k"`, 14},
	{"an object that ends after its comma", `{"API_Key":"k",`, 15},
	{"an object that ends after a name", `{"API_Key"`, 10},
	{"an object that ends after a colon", `{"API_Key":`, 11},
	{"an object that ends at once", `{`, 1},
	{"an array that does not end", `[1`, 2},
	{"an array that ends after its comma", `{"a":[1,`, 8},
	{"a trailing comma in the root object", `{"API_Key":"k",}`, 15},
	{"a trailing comma in a nested object", `{"a":{"b":1,}}`, 12},
	{"a trailing comma in an array", `[1,]`, 3},
	{"a leading comma in an array", `[,1]`, 1},
	{"a leading comma in an object", `{,"a":1}`, 1},
	{"no comma between members", `{"a":1 "b":2}`, 7},
	{"no comma between nested members", `{"o":{"a":1 "b":2}}`, 12},
	{"no comma between elements", `[1 2]`, 3},
	{"no colon", `{"a" 1}`, 5},
	{"no colon in a nested object", `[{"a" 1}]`, 6},
	{"no value", `{"a":}`, 5},
	{"no value in a nested object", `[{"a":,"b":1}]`, 6},
	{"a name without quotes", `{API_Key:"k"}`, 1},
	{"a name in single quotes", `{'API_Key':"k"}`, 1},
	{"a number for a name", `[{1:2}]`, 2},
	{"an array closed as an object", `[1}`, 2},
	{"an object closed as an array", `[{"a":1]`, 7},
	{"the root object closed as an array", `{"a":1]`, 6},
	{"a closing bracket too many", `[]]`, 2},
	{"a closing bracket only", `]`, 0},
	{"a string that does not end", `"abc`, 4},
	{"a long string that does not end", `["abcdefghijklmnopqrstuvwxyz`, 28},
	{"a string that ends in a backslash", `"abc\`, 5},
	{"a string whose last quote is escaped", `"abc\"`, 6},
	{"a tab in a string", "\"a\tb\"", 2},
	{"a newline in a name", "{\"a\n\":1}", 3},
	{"a NUL in a string", "\"0123456789\x00\"", 11},
	{"an escape that JSON does not know", `"\x41"`, 2},
	{"an upper-case escape", `"\U0041"`, 2},
	{"an escaped single quote", `"\'"`, 2},
	{"too few hexadecimal digits", `"\u004"`, 6},
	{"an escape without hexadecimal digits", `"\u"`, 3},
	{"an escape cut short by the end", `"\u00`, 5},
	{"a letter beyond F in an escape", `"\u004g"`, 6},
	{"a byte just below the digits in an escape", `"\u00/0"`, 5},
	{"a byte that folds into a digit's place", "\"\\u00\x100\"", 5},
	{"a leading zero", `[01]`, 2},
	{"a leading zero after the sign", `-012`, 2},
	{"a plus sign", `+1`, 0},
	{"a sign only", `-`, 1},
	{"a sign before a point", `-.5`, 1},
	{"a number that begins with its point", `.5`, 0},
	{"a number that ends with its point", `[1.]`, 3},
	{"an exponent after the point", `1.e5`, 2},
	{"an exponent without digits", `1e`, 2},
	{"an exponent with a sign only", `[1e+]`, 4},
	{"two points", `1.2.3`, 3},
	{"hexadecimal", `0x10`, 1},
	{"an underscore in a number", `1_000`, 1},
	{"not a number", `NaN`, 0},
	{"infinity", `-Infinity`, 1},
	{"a literal in other letter case", `True`, 0},
	{"a literal cut short", `tru`, 0},
	{"a literal that goes on", `nullx`, 4},
	{"a literal misspelt at its end", `falsy`, 0},
	{"text without quotes", `API_Key=k`, 0},
}

// jsonScanStricter are texts which encoding/json accepts and scanJSONRoot does not: all of them have
// strings that are not valid UTF-8.
var jsonScanStricter = []struct{ name, body string }{
	{"a byte that begins nothing", "\"\xff\""},
	{"a continuation byte alone", "{\"a\":\"\x80\"}"},
	{"a character cut short by the closing quote", "[\"\xe6\x9d\"]"},
	{"a character cut short by an escape", "[\"\xe6\x9d\\n\"]"},
	{"a character longer than need be", "[\"\xc0\xaf\"]"},
	{"a surrogate in UTF-8", "[\"\xed\xa0\x80\"]"},
	{"a character beyond Unicode", "[\"\xf4\x90\x80\x80\"]"},
	{"bad UTF-8 in a name", "{\"a\xff\":1}"},
	{"bad UTF-8 in the searched value", "{\"API_Key\":\"\xff\"}"},
	{"bad UTF-8 late in a long string", "[\"0123456789abcdef\xff\"]"},
	{"bad UTF-8 before an escape in a long string", "[\"\xff0123456789abcdef\\n0123456789abcdef\"]"},
	{"bad UTF-8 after a valid character", "[\"é\xe9\"]"},
}

// jsonScanTwice are texts that have the member API_Key twice.
var jsonScanTwice = []struct{ name, body string }{
	{"with the same value", `{"API_Key":"k","API_Key":"k"}`},
	{"with different values", `{"API_Key":"k","a":1,"API_Key":"l"}`},
	{"with null before", `{"API_Key":null,"API_Key":"k"}`},
	{"with an empty string after", `{"API_Key":"k","API_Key":""}`},
	{"with values that are no text", `{"API_Key":1,"API_Key":[]}`},
	{"with one name escaped", `{"API_Key":"k","API_\u004bey":"k"}`},
	{"three times", `{"API_Key":1,"API_Key":2,"API_Key":3}`},
}

// jsonScanHalves are texts in which the value of API_Key holds half a surrogate pair.
var jsonScanHalves = []struct{ name, body string }{
	{"a high half alone", `{"API_Key":"\ud800"}`},
	{"a low half alone", `{"API_Key":"k\udc00"}`},
	{"a high half before text", `{"API_Key":"\ud800udc00"}`},
	{"a high half before a letter's escape", `{"API_Key":"\ud800\u0041"}`},
	{"a high half before another escape", `{"API_Key":"\ud800\n12345"}`},
	{"two high halves", `{"API_Key":"\ud800\ud800"}`},
	{"the halves in the wrong order", `{"API_Key":"\udc00\ud800"}`},
	{"a half after a pair", `{"API_Key":"\ud83d\udd11\udd11"}`},
}

func TestScanJSONRootFindsTheMember(t *testing.T) {
	for _, row := range jsonScanFound {
		t.Run(row.name, func(t *testing.T) {
			m := checkJSONScan(t, []byte(row.body), "API_Key")
			require.True(t, m.found)
			require.Equal(t, row.kind, m.kind)
			require.Equal(t, row.value, m.value)
			require.Equal(t, row.rest, row.body[:m.cutStart]+row.body[m.cutEnd:])
		})
	}
}

func TestScanJSONRootFindsNothing(t *testing.T) {
	for _, row := range jsonScanAbsent {
		t.Run(row.name, func(t *testing.T) {
			m := checkJSONScan(t, []byte(row.body), "API_Key")
			require.False(t, m.found)
		})
	}
}

func TestScanJSONRootRefusesInvalidJSON(t *testing.T) {
	for _, row := range jsonScanInvalid {
		t.Run(row.name, func(t *testing.T) {
			require.False(t, json.Valid([]byte(row.body)), "this row belongs among the stricter ones")
			checkJSONScan(t, []byte(row.body), "API_Key")
			_, err := scanJSONRoot([]byte(row.body), "API_Key")
			var syntax *jsonSyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Equal(t, row.offset, syntax.offset, err)
		})
	}
}

func TestScanJSONRootRefusesBadUTF8(t *testing.T) {
	for _, row := range jsonScanStricter {
		t.Run(row.name, func(t *testing.T) {
			require.True(t, json.Valid([]byte(row.body)), "this row belongs among the invalid ones")
			_, err := scanJSONRoot([]byte(row.body), "API_Key")
			var syntax *jsonSyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Contains(t, err.Error(), "UTF-8")
		})
	}
}

func TestScanJSONRootRefusesTheMemberTwice(t *testing.T) {
	for _, row := range jsonScanTwice {
		t.Run(row.name, func(t *testing.T) {
			_, err := scanJSONRoot([]byte(row.body), "API_Key")
			require.ErrorIs(t, err, errJSONDuplicate)
		})
	}
}

func TestScanJSONRootRefusesHalfASurrogatePairInTheValue(t *testing.T) {
	for _, row := range jsonScanHalves {
		t.Run(row.name, func(t *testing.T) {
			_, err := scanJSONRoot([]byte(row.body), "API_Key")
			require.ErrorIs(t, err, errJSONSurrogate)
		})
	}
}

func TestScanJSONRootSearchesAnyName(t *testing.T) {
	tests := []struct {
		name, search, body string
		found              bool
	}{
		{"the empty name", "", `{"":"k"}`, true},
		{"the empty name is not just any", "", `{"a":"k"}`, false},
		{"a backslash that the text escapes", `a\b`, `{"a\\b":"k"}`, true},
		{"a backslash that is an escape in the text", `a\b`, `{"a\b":"k"}`, false},
		{"a quote", `"`, `{"\"":"k"}`, true},
		{"beyond ASCII", "ключ", `{"ключ":"k"}`, true},
		{"beyond ASCII, escaped", "é🔑", `{"\u00e9\ud83d\udd11":"k"}`, true},
		{"a name longer than the scanner's buffer", strings.Repeat("n", 100), `{"\u006e` + strings.Repeat("n", 99) + `":"k"}`, true},
		{"a replacement character is not half a surrogate pair", "\ufffd", `{"\ud800":"k"}`, false},
		{"bad UTF-8 never occurs", "\xff", `{"\ufffd":"k"}`, false},
	}
	for _, row := range tests {
		t.Run(row.name, func(t *testing.T) {
			m, err := scanJSONRoot([]byte(row.body), row.search)
			require.NoError(t, err)
			require.Equal(t, row.found, m.found)
		})
	}
}

func TestScanJSONRootDepth(t *testing.T) {
	nested := func(start, end string, depth int) []byte {
		return []byte(strings.Repeat(start, depth) + strings.Repeat(end, depth))
	}
	shapes := []struct {
		name, open, close string
		levels            int // of one repetition
	}{
		{"arrays", "[", "]", 1},
		{"objects", `{"a":`, "}", 1},
		{"objects in arrays", `[{"a":`, `}]`, 2},
		{"arrays in objects", `{"a":[1,`, `],"b":0}`, 2},
	}
	for _, shape := range shapes {
		for _, depth := range []int{2, 62, 64, 66, 126, 128, 130, 192, maxJSONDepth, maxJSONDepth + 2} {
			t.Run(fmt.Sprintf("%s %d deep", shape.name, depth), func(t *testing.T) {
				n := depth / shape.levels
				body := []byte(strings.Repeat(shape.open, n) + "0" + strings.Repeat(shape.close, n))
				checkJSONScan(t, body, "API_Key")
				// Closed by the wrong kind halfway out, it must be noticed.
				at := len(body) - n*len(shape.close)/2
				body[at-1] ^= '}' ^ ']'
				checkJSONScan(t, body, "API_Key")
			})
		}
	}
	t.Run("the limit is that of encoding/json", func(t *testing.T) {
		for _, body := range [][]byte{nested("[", "]", maxJSONDepth), nested("[", "]", maxJSONDepth+1)} {
			_, err := scanJSONRoot(body, "API_Key")
			require.Equal(t, json.Valid(body), err == nil)
			body = fmt.Appendf(nil, `{"API_Key":"k","a":%s}`, body[1:len(body)-1])
			_, err = scanJSONRoot(body, "API_Key")
			require.Equal(t, json.Valid(body), err == nil)
		}
	})
	t.Run("levels side by side do not add up", func(t *testing.T) {
		body := "[" + strings.Repeat("[{}],", 3*maxJSONDepth) + "0]"
		checkJSONScan(t, []byte(body), "API_Key")
	})
	t.Run("in and out of the 64th level", func(t *testing.T) {
		body := strings.Repeat(`[`, 63) + strings.Repeat(`{"a":[{}]},[{}],`, 100) + "0" + strings.Repeat("]", 63)
		checkJSONScan(t, []byte(body), "API_Key")
	})
}

// Every string and number meets the end of the text and of an eight-byte word at every distance.
func TestScanJSONRootAtEveryAlignment(t *testing.T) {
	for n := range 40 {
		text := strings.Repeat("x", n)
		for _, inner := range []string{"", "é", `\n`, `\u0041`, "\x01", "\xff", `"`, `\`, `\u12`, "\x7f", " ", "🔑"} {
			checkJSONScan(t, []byte(`"`+text+inner+`"`), "API_Key")
			checkJSONScan(t, []byte(`"`+text+inner), "API_Key")
			checkJSONScan(t, []byte(`{"`+text+inner+`":1,"API_Key":"`+text+inner+text+`"}`), "API_Key")
		}
		digits := strings.Repeat("7", n)
		for _, end := range []string{"", ".", ".5", "e", "e5", "x", "/", ":", "\xba", "\xff", " ", ",1", "." + digits, "e" + digits} {
			checkJSONScan(t, []byte(digits+end), "API_Key")
			checkJSONScan(t, []byte("["+digits+end+"]"), "API_Key")
		}
		space := strings.Repeat(" ", n)
		for _, end := range []string{"", "\n", "\t", "\v", "\x00", "\xa0", "!"} {
			checkJSONScan(t, []byte(space+end), "API_Key")
			checkJSONScan(t, []byte("{"+space+end+`"API_Key"`+end+space+":"+space+`"k"`+space+"}"+space), "API_Key")
		}
	}
}

// Each single byte of a valid text is replaced by every other: nearly all of them break it somewhere.
func TestScanJSONRootWithOneByteChanged(t *testing.T) {
	text := `{"a":[1,-2.5e+3,true,{"b\n":null}],"API_Key":"k\u0041é","c":""}`
	for i := range text {
		for c := range 256 {
			body := []byte(text)
			body[i] = byte(c)
			checkJSONScan(t, body, "API_Key")
		}
		checkJSONScan(t, []byte(text[:i]), "API_Key")
		checkJSONScan(t, []byte(text[:i]+text[i+1:]), "API_Key")
	}
}

func TestScanJSONRootErrorsDoNotQuoteTheBody(t *testing.T) {
	for _, body := range []string{
		`{"API_Key":"QQQQ`, `{"API_Key":QQQQ}`, `{"API_Key":"QQQQ" QQQQ`, `{"QQQQ`, `QQQQ`,
		`{"API_Key":"QQQQ\`, `{"API_Key":"QQQQ\Q"}`, "{\"API_Key\":\"QQQQ\xff\"}",
		`{"API_Key":"QQQQ","API_Key":"QQQQ"}`, `{"API_Key":"QQQQ\ud800"}`,
	} {
		_, err := scanJSONRoot([]byte(body), "API_Key")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "Q", body)
	}
}

func TestScanJSONRootAllocations(t *testing.T) {
	deep := strings.Repeat(`[{"a":`, 31) + "1" + strings.Repeat("}]", 31)
	tests := []struct {
		name string
		body string
		want float64
	}{
		{"the member is absent", string(jsonScanBody(10_000, jsonScanKeyAbsent)), 0},
		{"names with escapes are compared in place", `{"API\u005fKez":1,"` + strings.Repeat(`\n`, 1000) + `":2}`, 0},
		{"nested 63 deep", `{"a":` + deep + `}`, 0},
		{"null and numbers need no copy", `{"API_Key":null}`, 0},
		{"the value is copied", string(jsonScanBody(10_000, jsonScanKeyLast)), 1},
		{"the value is unescaped on the way", `{"API_Key":"` + strings.Repeat(`\u0041`, 256) + `"}`, 1},
		{"an invalid body costs its error", `{"API_Key":"`, 1},
	}
	for _, row := range tests {
		t.Run(row.name, func(t *testing.T) {
			body := []byte(row.body)
			require.Equal(t, row.want, testing.AllocsPerRun(100, func() { _, _ = scanJSONRoot(body, "API_Key") }))
		})
	}
}

// Hostile texts of half a megabyte: a scan that is not linear would take minutes on one of them.
func TestScanJSONRootIsLinear(t *testing.T) {
	const size = 1 << 19
	for _, unit := range []string{
		`[`, `{"a":`, `[{"a":`, ` `, `\u0041`, `\\`, `"`, `""`, `é`, "\xff", `9`, `1,`, `[],`, `{},`,
		`"API_Ke\u0078":1,`, `"\ud83d\udd11":1,`,
	} {
		many := strings.Repeat(unit, size/len(unit))
		for _, body := range []string{many, `["` + many, `["` + many + `"]`, `{"API_Key":"` + many + `"}`, `{` + many + `"z":0}`, `[` + many + `0]`} {
			_, err := scanJSONRoot([]byte(body), "API_Key")
			_, reason := oracleJSONRoot([]byte(body), "API_Key")
			require.Equal(t, reason == "", err == nil, "%s of %q", reason, unit)
		}
	}
}

// Random texts, most of them valid, with the oracle as judge.
func TestScanJSONRootAgainstEncodingJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		body := randomJSON(random, nil, 0)
		if random.IntN(4) == 0 {
			body[random.IntN(len(body))] = byte(random.IntN(256))
		}
		checkJSONScan(t, body, "API_Key")
	}
}

func FuzzScanJSONRoot(f *testing.F) {
	for _, row := range jsonScanFound {
		f.Add([]byte(row.body), "API_Key")
	}
	for _, row := range jsonScanInvalid {
		f.Add([]byte(row.body), "API_Key")
	}
	for _, rows := range [][]struct{ name, body string }{jsonScanAbsent, jsonScanStricter, jsonScanTwice, jsonScanHalves} {
		for _, row := range rows {
			f.Add([]byte(row.body), "API_Key")
		}
	}
	f.Add([]byte(`{"":1,"é\\":"k"}`), `é\`)
	f.Add(jsonScanBody(500, jsonScanKeyFirst), "API_Key")
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		if strings.ContainsRune(name, utf8.RuneError) {
			t.Skip("the oracle cannot tell half a surrogate pair from this name")
		}
		checkJSONScan(t, body, name)
	})
}

// checkJSONScan scans body and requires what the oracle, built on encoding/json, says of it, and that
// the ranges reported are right.
func checkJSONScan(t *testing.T, body []byte, name string) jsonMember {
	t.Helper()
	before := bytes.Clone(body)
	m, err := scanJSONRoot(body, name)
	require.Equal(t, before, body, "the body was changed")

	want, reason := oracleJSONRoot(body, name)
	if reason != "" {
		require.Error(t, err, "%s: %q", reason, body)
		require.Zero(t, m)
		return m
	}
	require.NoError(t, err, "%q", body)
	require.Equal(t, want, jsonMember{found: m.found, kind: m.kind, value: m.value}, "%q", body)
	if !m.found {
		require.Zero(t, m)
		return m
	}
	checkJSONRanges(t, body, name, m)
	return m
}

func checkJSONRanges(t *testing.T, body []byte, name string, m jsonMember) {
	t.Helper()
	// The member alone, made an object, is the member.
	alone, err := scanJSONRoot(fmt.Appendf(nil, "{%s}", body[m.start:m.end]), name)
	require.NoError(t, err)
	require.Equal(t, jsonMember{1, m.end - m.start + 1, 1, m.end - m.start + 1, m.kind, m.value, true}, alone)

	// The cut takes the member, at most one comma, and the white space between those two.
	require.True(t, m.cutStart <= m.start && m.end <= m.cutEnd, "%+v", m)
	around := string(body[m.cutStart:m.start]) + string(body[m.end:m.cutEnd])
	require.Contains(t, []string{"", ","}, strings.Trim(around, " \t\r\n"))

	// What remains is valid and has no such member.
	rest := append(bytes.Clone(body[:m.cutStart]), body[m.cutEnd:]...)
	require.True(t, json.Valid(rest), "%q", rest)
	again, err := scanJSONRoot(rest, name)
	require.NoError(t, err)
	require.False(t, again.found)
}

// oracleJSONRoot says what scanJSONRoot should: the kind and value of the member, or why not.
func oracleJSONRoot(body []byte, name string) (m jsonMember, reason string) {
	switch {
	case len(bytes.Trim(body, " \t\r\n")) == 0:
		return m, ""
	case !json.Valid(body):
		return m, "invalid JSON"
	case !utf8.Valid(body):
		return m, "invalid UTF-8"
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return m, ""
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return m, err.Error()
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return m, err.Error()
		}
		if token != name {
			continue
		}
		if m.found {
			return jsonMember{}, "twice"
		}
		m.found = true
		switch raw[0] {
		case 'n':
			m.kind = jsonNull
		case '"':
			m.kind = jsonString
			if err := json.Unmarshal(raw, &m.value); err != nil {
				return m, err.Error()
			}
			if strings.Count(m.value, "\ufffd") > replacementsIn(string(raw)) {
				return jsonMember{}, "half a surrogate pair"
			}
		}
	}
	return m, ""
}

// replacementsIn counts the replacement characters that a JSON string really holds. Encoding/json
// makes one of each half of a surrogate pair, too.
func replacementsIn(raw string) int {
	raw = strings.ReplaceAll(raw, `\\`, "")
	return strings.Count(raw, "\ufffd") + strings.Count(strings.ToLower(raw), `\ufffd`)
}

// randomJSON appends a random value with random white space around it.
func randomJSON(random *rand.Rand, b []byte, depth int) []byte {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	space := func() string { return pick("", "", "", " ", "\n\t", "\r\n        ", "         \n") }
	text := func() string {
		s := `"`
		for range random.IntN(5) {
			s += pick("a", "API_Key", "0123456789abcdef", "é", "🔑", `\n`, `\"`, `\\`, `\u0041`, `\ud83d\udd11`, `\ud800`, "}", ",", "鍵鍵鍵")
		}
		return s + `"`
	}
	b = append(b, space()...)
	kind := random.IntN(8)
	if depth == 0 {
		kind = random.IntN(2)
	}
	switch {
	case kind <= 2 && depth < 6:
		open, end := "[", "]"
		if kind != 1 {
			open, end = "{", "}"
		}
		b = append(b, open...)
		for i := range random.IntN(5) {
			if i > 0 {
				b = append(b, ","...)
			}
			if open == "{" {
				b = append(b, space()+pick(text(), text(), `"API_Key"`, `"API_\u004bey"`)+space()+":"...)
			}
			b = randomJSON(random, b, depth+1)
		}
		b = append(b, space()+end...)
	case kind <= 5:
		b = append(b, text()...)
	default:
		b = append(b, pick("true", "false", "null", "0", "-0", "12", "-3.25", "1e9", "0.5E-3", "12345678901234567890")...)
	}
	return append(b, space()...)
}

type jsonScanKey int

const (
	jsonScanKeyAbsent jsonScanKey = iota
	jsonScanKeyFirst
	jsonScanKeyLast
)

// jsonScanBody makes a body of about size bytes such as a server posts: short and long text, numbers,
// literals, nested objects.
func jsonScanBody(size int, place jsonScanKey) []byte {
	const member = `"API_Key":"otter_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"`
	b := []byte(`{`)
	if place == jsonScanKeyFirst {
		b = append(b, member+","...)
	}
	b = append(b, `"servers":[`...)
	for i := 0; i == 0 || len(b) < size-len(member); i++ {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"id":%d,"name":"server-%04d","active":%t,"load":%.3f,"roles":["web","cache-%d"],"owner":null`,
			1000+7*i, i, i%3 == 0, float64(i%977)*1.37, i%10)
		if size > 500 {
			b = append(b, `,"note":"Restarts the web pool, then waits for the \"health\" page; see the run book."`...)
			b = fmt.Appendf(b, `,"site":"Zürich","limits":{"cpu":%d,"memory":%d,"tags":{}}`, i%64, 1<<(i%20))
		}
		b = append(b, '}')
	}
	b = append(b, `]`...)
	if place == jsonScanKeyLast {
		b = append(b, ","+member...)
	}
	return append(b, '}')
}

func BenchmarkScanJSONRoot(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"200B", 200}, {"10kB", 10_000}, {"1MB", 1_000_000}} {
		for _, place := range []struct {
			name string
			key  jsonScanKey
		}{{"first", jsonScanKeyFirst}, {"last", jsonScanKeyLast}, {"absent", jsonScanKeyAbsent}} {
			b.Run(size.name+"/"+place.name, func(b *testing.B) {
				body := jsonScanBody(size.bytes, place.key)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if m, err := scanJSONRoot(body, "API_Key"); err != nil || m.found != (place.key != jsonScanKeyAbsent) {
						b.Fatal(m.found, err)
					}
				}
			})
		}
	}
}

// Texts made to be slow: each keeps the scanner away from its eight-byte steps.
func BenchmarkScanJSONRootHostile(b *testing.B) {
	for _, row := range []struct{ name, head, unit, tail string }{
		{"escapes", `["`, `\n`, `"]`},
		{"empty strings", `[`, `"",`, `0]`},
		{"empty arrays", `[`, `[],`, `0]`},
		{"escaped names", `{`, `"API_Ke\u0078":1,`, `"z":0}`},
		{"mixed white space", `[`, " \n\t\r", `0]`},
		{"beyond ASCII", `["`, `é鍵`, `"]`},
	} {
		b.Run(row.name, func(b *testing.B) {
			body := []byte(row.head + strings.Repeat(row.unit, 100_000/len(row.unit)) + row.tail)
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := scanJSONRoot(body, "API_Key"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
