package admin_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A node is an element of a page.
type node struct {
	name     string
	attrs    map[string]string
	parent   *node
	children []*node
	own      strings.Builder
}

// parseMarkup reads a page as strictly as its own templates promise: every element
// is closed, and what is no text is escaped.
func parseMarkup(t *testing.T, page string) *node {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	root := &node{}
	for at := root; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			require.Same(t, root, at, "an element is not closed: %s", at.name)
			return root
		}
		require.NoError(t, err, page)
		switch token := token.(type) {
		case xml.StartElement:
			child := &node{name: token.Name.Local, attrs: map[string]string{}, parent: at}
			for _, a := range token.Attr {
				require.NotContains(t, child.attrs, a.Name.Local)
				child.attrs[a.Name.Local] = a.Value
			}
			at.children = append(at.children, child)
			at = child
		case xml.EndElement:
			require.Equal(t, at.name, token.Name.Local)
			at = at.parent
		case xml.CharData:
			at.own.Write(token)
		}
	}
}

// text returns all text inside, as a reader sees it.
func (n *node) text() string {
	var b strings.Builder
	b.WriteString(n.own.String())
	for _, c := range n.children {
		b.WriteString(" " + c.text())
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// all returns the elements of that name inside; attrs are pairs of names and
// values that they have.
func (n *node) all(name string, attrs ...string) (found []*node) {
	for _, c := range n.children {
		if c.name == name && c.has(attrs) {
			found = append(found, c)
		}
		found = append(found, c.all(name, attrs...)...)
	}
	return found
}

func (n *node) has(attrs []string) bool {
	for i := 0; i < len(attrs); i += 2 {
		if n.attrs[attrs[i]] != attrs[i+1] {
			return false
		}
	}
	return true
}

// one returns the only element of that name inside.
func (n *node) one(t *testing.T, name string, attrs ...string) *node {
	t.Helper()
	found := n.all(name, attrs...)
	require.Len(t, found, 1, "%s %q", name, attrs)
	return found[0]
}

// hasAttr reports whether the attribute is there, with whatever value.
func (n *node) hasAttr(name string) bool {
	_, ok := n.attrs[name]
	return ok
}
