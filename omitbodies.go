package apikey

import "context"

// OmitBodies keeps the bodies of a request and of its answer out of the access log,
// whatever its key's [Logging] says. ctx is the request's. It is for handlers that
// take or give out secrets, and may be called at any time before they return; the
// entry is otherwise as it would have been. Package admin does so by itself.
func OmitBodies(ctx context.Context) {
	for v := visitOf(ctx); v != nil; v = v.outer {
		v.note(func(*record) { v.private = true })
	}
}

// private returns what may be said of a body that the handler wants kept out of the
// log.
func (b recordedBody) private() recordedBody {
	if b.mediaType == "" && b.length == 0 {
		return recordedBody{} // none was to be kept
	}
	return recordedBody{mediaType: b.mediaType, length: b.length, omitted: omittedPrivate}
}
