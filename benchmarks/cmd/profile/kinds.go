package main

import (
	"strings"

	"github.com/google/pprof/profile"
)

// A kind of work is told by the functions that do it, whatever they call.
type kind struct {
	name      string
	functions []string // the ends of their names
}

const other = "the rest"

// kinds are all of them: the runtime's, the request's and the recorder's. No function is of
// two, so that their order means nothing.
var kinds = []kind{
	{"collecting garbage", []string{
		"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart",
		"runtime.wbBufFlush", "runtime.bulkBarrierPreWrite",
		"gcWriteBarrier", "runtime.gcMarkTermination", "runtime.gcMarkDone",
		"runtime.gosched_m", // by the sweeper, again and again: nobody else yields here
	}},
	{"allocating", []string{"runtime.mallocgc", "runtime.growslice"}},
	{"reading the clock", []string{"time.Now", "time.Since", "time.runtimeNano", "apikey.(*clock).now"}},
	{"scheduling goroutines", []string{
		"runtime.schedule", "runtime.mcall", "runtime.goready", "runtime.ready", "runtime.mstart", "runtime.sysmon",
	}},
	{"beginning the entry", []string{"apikey.newVisit"}},
	{"finding the key", []string{"apikey.(*Authority).extract"}},
	{"its form and checksum", []string{"apikey.implausible"}},
	{"hashing it", []string{"apikey.digester.digest"}},
	{"looking it up", []string{"apikey.(*core).find"}},
	{"noting its use", []string{"apikey.(*useBatch).note"}},
	{"copying the headers", []string{"apikey.(*Authority).scrubHeader"}},
	{"cutting it out elsewhere", []string{"apikey.(*Authority).scrubQuery", "apikey.(*Authority).scrubBody"}},
	{"copying the request", []string{"http.(*Request).WithContext"}},
	{"the cache headers", []string{"apikey.(*Authority).forbidCaching"}},
	{"capturing bodies", []string{
		"apikey.(*capturedReader).Read", "apikey.(*logWriter).Write", "apikey.(*visit).capture",
	}},
	{"queueing the entry", []string{"apikey.(*visit).end"}},
	{"deciding", []string{"apikey.(*guard).ServeHTTP", "apikey.(*Authority).Check"}},
	{"recorder: masking bodies", []string{"apikey.(*recorder).body"}},
	{"recorder: masking the rest", []string{"apikey.(*masker).query", "apikey.(*masker).line"}},
	{"recorder: making entries", []string{"apikey.(*recorder).run"}},
	{"the benchmark", []string{"testing.(*B).launch", "testing.(*B).run1", "main.main"}},
	{other, nil},
}

// kindOf returns the kind of the sample: that of the innermost function which has one.
// A function that allocates calls for no more than that.
func kindOf(s *profile.Sample) string {
	for _, at := range s.Location {
		for _, line := range at.Line {
			if name, ok := nameOf(line.Function.Name); ok {
				return name
			}
		}
	}
	return other
}

func nameOf(function string) (name string, ok bool) {
	for _, k := range kinds {
		for _, end := range k.functions {
			if strings.HasSuffix(function, end) {
				return k.name, true
			}
		}
	}
	return "", false
}
