package admin

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// formatMetadata returns the metadata as lines of name=value. What could not be
// told from the line around it is quoted as in Go.
func formatMetadata(metadata map[string]string) string {
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		value := metadata[name]
		if name == "" || strings.Contains(name, "=") || needsQuotes(name) {
			name = strconv.Quote(name)
		}
		if needsQuotes(value) {
			value = strconv.Quote(value)
		}
		lines.WriteString(name + "=" + value + "\n")
	}
	return lines.String()
}

func needsQuotes(text string) bool {
	return strings.HasPrefix(text, `"`) || strings.ContainsAny(text, "\r\n") || strings.TrimSpace(text) != text
}

// parseMetadata reads what formatMetadata writes, or what somebody has typed in its
// manner. The problem says which line is wrong.
func parseMetadata(text string) (metadata map[string]string, problem string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := parsePair(line)
		if !ok {
			return nil, fmt.Sprintf("must have name=value on each line; line %d has not", number)
		}
		if _, there := metadata[name]; there {
			return nil, fmt.Sprintf("must have each name once; line %d repeats %q", number, name)
		}
		if metadata == nil {
			metadata = map[string]string{}
		}
		metadata[name] = value
	}
	return metadata, ""
}

func parsePair(line string) (name, value string, ok bool) {
	if quoted, err := strconv.QuotedPrefix(line); err == nil && quoted[0] == '"' {
		if name, err = strconv.Unquote(quoted); err != nil {
			return "", "", false
		}
		value, ok = strings.CutPrefix(strings.TrimSpace(line[len(quoted):]), "=")
	} else {
		name, value, ok = strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		ok = ok && name != ""
	}
	if value = strings.TrimSpace(value); strings.HasPrefix(value, `"`) {
		unquoted, err := strconv.Unquote(value)
		return name, unquoted, ok && err == nil
	}
	return name, value, ok
}
