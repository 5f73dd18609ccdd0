package apikey

import "sync"

// A bufferPool holds buffers of a few sizes, so that a short body does not hold
// what a long one needs.
type bufferPool struct {
	sizes []int
	pools []*sync.Pool
}

// newBufferPool returns a pool whose largest buffers hold most bytes.
func newBufferPool(most int) bufferPool { return newSteppedPool(4, most) }

// newSteppedPool is newBufferPool with sizes each of which is step times the one
// before.
func newSteppedPool(step, most int) bufferPool {
	var p bufferPool
	for size := 1 << 10; size > 0 && size < most; size *= step { // it may overflow
		p.sizes = append(p.sizes, size)
	}
	p.sizes = append(p.sizes, most)
	for range p.sizes {
		p.pools = append(p.pools, &sync.Pool{})
	}
	return p
}

// most returns how much the largest buffers hold.
func (p *bufferPool) most() int { return p.sizes[len(p.sizes)-1] }

// get returns an empty buffer for n bytes, or as many as the largest has.
func (p *bufferPool) get(n int) *[]byte {
	for i, size := range p.sizes {
		if n > size && i < len(p.sizes)-1 {
			continue
		}
		if b, ok := p.pools[i].Get().(*[]byte); ok {
			return b
		}
		b := make([]byte, 0, size)
		return &b
	}
	return nil
}

// put takes a buffer back, and nil for nothing.
func (p *bufferPool) put(b *[]byte) {
	if b == nil {
		return
	}
	for i, size := range p.sizes {
		if cap(*b) == size {
			*b = (*b)[:0]
			p.pools[i].Put(b)
			return // it is somebody else's from here on
		}
	}
}

// addTo appends what fits of data to a buffer of the pool, which may move to a
// larger one. A nil b is an empty buffer.
func addTo[D []byte | string](p *bufferPool, b *[]byte, data D) *[]byte {
	most := p.most()
	if b == nil {
		b = p.get(len(data))
	}
	if len(*b) == most {
		return b
	}
	if need := len(*b) + len(data); need > cap(*b) && cap(*b) < most {
		larger := p.get(need)
		*larger = append(*larger, *b...)
		p.put(b)
		b = larger
	}
	*b = append(*b, data[:min(len(data), cap(*b)-len(*b))]...)
	return b
}
