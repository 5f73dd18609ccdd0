// Package race tells tests whether the race detector watches them: they are slower then,
// and pools forget at random.
package race

import (
	"runtime/debug"
	"slices"
)

// Enabled reports whether the program was built with the race detector.
func Enabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
