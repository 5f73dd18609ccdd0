//go:build unix

package benchmarks

import "syscall"

// cpuTime returns the nanoseconds that this process has computed, the recorder and
// the garbage collector included.
func cpuTime() int64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		panic(err)
	}
	return use.Utime.Nano() + use.Stime.Nano()
}
