package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// prepare returns the absolute path of a database file, which it creates where
// there is none: connections are opened later too, wherever the process has
// changed its directory to.
func prepare(path string) (string, error) {
	if err := checkPath(path); err != nil {
		return "", err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	return path, create(path)
}

// checkPath refuses what SQLite would take for something other than a file.
func checkPath(path string) error {
	switch {
	case path == "":
		return errors.New("sqlite: the path of the database file is empty")
	case strings.HasPrefix(path, ":memory:"), strings.HasPrefix(path, "file:"):
		return fmt.Errorf("sqlite: %q is not the path of a file; for a store in memory, use apikey.NewMemoryStore", path)
	}
	return nil
}

// creating is held while a new file is open: see create.
var creating sync.Mutex

// create makes an empty file at path where there is none. It holds digests, so
// nobody but its owner may read it, and SQLite gives the files that it makes
// beside it the same mode.
//
// A file that exists is never opened here. POSIX drops all locks that a process
// has on a file when it closes any descriptor of it, and with them those of
// SQLite connections elsewhere in the process. The mutex keeps a second Open
// from connecting before the new file is closed.
func create(path string) error {
	creating.Lock()
	defer creating.Unlock()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the host's
	if errors.Is(err, fs.ErrExist) {
		return checkRegular(path)
	}
	if err != nil {
		return fmt.Errorf("sqlite: creating the database file: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("sqlite: creating the database file: %w", err)
	}
	return nil
}

func checkRegular(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("sqlite: %s is not a regular file", path)
	}
	return nil
}
