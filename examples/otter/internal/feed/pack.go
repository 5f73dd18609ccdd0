package feed

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1" //nolint:gosec // G505: the protocol has a SHA-1 beside the SHA-512 that npm verifies
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
)

// A Package is what is needed to make one.
type Package struct {
	Name        string // with its scope, if it has one
	Version     string
	Description string
	// Files are all but package.json, which is made of the above.
	Files map[string]string
}

// published is when everything was: the time of every file that npm itself packs, so that the same
// files make the same tarball.
var published = time.Date(1985, time.October, 26, 8, 15, 0, 0, time.UTC)

// release is a package with its tarball.
type release struct {
	manifest
	readme            string
	tarball           []byte
	shasum, integrity string
}

// manifest is a package.json, and with dist an entry among the versions in metadata.
type manifest struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Description string `json:"description,omitempty"`
	Dist        *dist  `json:"dist,omitempty"`
}

type dist struct {
	Tarball   string `json:"tarball"`
	Shasum    string `json:"shasum"`
	Integrity string `json:"integrity"`
}

// metadata is what npm calls a packument, in either form.
type metadata struct {
	ID          string               `json:"_id,omitempty"`
	Name        string               `json:"name"`
	Description string               `json:"description,omitempty"`
	DistTags    map[string]string    `json:"dist-tags"`
	Versions    map[string]manifest  `json:"versions"`
	Modified    time.Time            `json:"modified,omitzero"`
	Time        map[string]time.Time `json:"time,omitempty"`
	Readme      string               `json:"readme,omitempty"`
}

// Legal names and versions need no escape in a URL.
var (
	legalName    = regexp.MustCompile(`^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*$`)
	legalVersion = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
)

func (p *Package) validate() error {
	var errs []error
	if !legalName.MatchString(p.Name) {
		errs = append(errs, fmt.Errorf("feed: package %q: legal are name and @scope/name, in lower case", p.Name))
	}
	if !legalVersion.MatchString(p.Version) {
		errs = append(errs, fmt.Errorf("feed: version %q of package %q: legal are 1.2.3 and 1.2.3-rc.1", p.Version, p.Name))
	}
	if _, ok := p.Files["package.json"]; ok {
		errs = append(errs, fmt.Errorf("feed: package %q: package.json is made, not given", p.Name))
	}
	return errors.Join(errs...)
}

func pack(p Package) (*release, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	r := &release{
		manifest: manifest{Name: p.Name, Version: p.Version, Description: p.Description},
		readme:   p.Files["README.md"],
	}
	about, err := json.MarshalIndent(r.manifest, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("feed: package %q: %w", p.Name, err)
	}
	files := maps.Clone(p.Files)
	if files == nil {
		files = map[string]string{}
	}
	files["package.json"] = string(about) + "\n"
	if r.tarball, err = archive(files); err != nil {
		return nil, fmt.Errorf("feed: package %q: %w", p.Name, err)
	}
	short := sha1.Sum(r.tarball) //nolint:gosec // G401: see the import
	long := sha512.Sum512(r.tarball)
	r.shasum = hex.EncodeToString(short[:])
	r.integrity = "sha512-" + base64.StdEncoding.EncodeToString(long[:])
	return r, nil
}

// archive returns a tarball of the files, in the order of their names and in the folder where npm
// expects them.
func archive(files map[string]string) ([]byte, error) {
	var tarball bytes.Buffer
	packed := gzip.NewWriter(&tarball)
	w := tar.NewWriter(packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg,
			Name:     "package/" + name,
			Mode:     0o644,
			Size:     int64(len(files[name])),
			ModTime:  published,
		})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			return nil, err
		}
	}
	err := errors.Join(w.Close(), packed.Close())
	return tarball.Bytes(), err
}

// abbreviated returns the metadata made for installing.
func (r *release) abbreviated(tarball string) metadata {
	version := r.manifest
	version.Description = ""
	version.Dist = &dist{tarball, r.shasum, r.integrity}
	return metadata{
		Name:     r.Name,
		DistTags: map[string]string{"latest": r.Version},
		Versions: map[string]manifest{r.Version: version},
		Modified: published,
	}
}

// full returns all there is to tell.
func (r *release) full(tarball string) metadata {
	version := r.manifest
	version.Dist = &dist{tarball, r.shasum, r.integrity}
	return metadata{
		ID:          r.Name,
		Name:        r.Name,
		Description: r.Description,
		DistTags:    map[string]string{"latest": r.Version},
		Versions:    map[string]manifest{r.Version: version},
		Time:        map[string]time.Time{"created": published, "modified": published, r.Version: published},
		Readme:      r.readme,
	}
}
