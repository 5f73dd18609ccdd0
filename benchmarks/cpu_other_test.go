//go:build !unix

package benchmarks

// cpuTime is not known here.
func cpuTime() int64 { return 0 }
