package admin

import (
	"context"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// An issued key has a new text: a generated one, which is shown this once, or one
// that its maker knows.
type issued struct {
	key    *apikey.Key
	secret apikey.Secret
}

// issue makes a key of the text, where custom says that there is one, or of a
// generated one.
func (o *office) issue(ctx context.Context, spec apikey.KeySpec, text string, custom bool) (i issued, err error) {
	if custom {
		i.key, err = o.auth.IssueCustom(ctx, spec, text)
	} else {
		i.key, i.secret, err = o.auth.Issue(ctx, spec)
	}
	return i, err
}

// reissue gives a key a new text, chosen like that of issue.
func (o *office) reissue(
	ctx context.Context, id string, overlap time.Duration, text string, custom bool, only ...apikey.Precondition,
) (i issued, err error) {
	if custom {
		i.key, err = o.auth.RotateCustom(ctx, id, overlap, text, only...)
	} else {
		i.key, i.secret, err = o.auth.Rotate(ctx, id, overlap, only...)
	}
	return i, err
}
