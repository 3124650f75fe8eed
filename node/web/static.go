package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/protocol"
)

// asset is a file of static/ with the hash that names its content.
type asset struct {
	name, hash, media string
	content           []byte
}

func readAssets(from fs.FS) (map[string]asset, error) {
	entries, err := fs.ReadDir(from, "static")
	if err != nil {
		return nil, err
	}
	assets := make(map[string]asset, len(entries))
	for _, e := range entries {
		content, err := fs.ReadFile(from, path.Join("static", e.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		assets[e.Name()] = asset{name: e.Name(), hash: hex.EncodeToString(sum[:6]), media: mediaOf(e.Name()), content: content}
	}
	return assets, nil
}

// mediaOf does not ask the machine's own tables, which differ.
func mediaOf(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// assetURL is the address of a file of static/ with its hash, so that it can
// be kept for a year and a new version is seen at once.
func (w *Web) assetURL(name string) string {
	return "/static/" + name + "?v=" + w.assets[name].hash
}

func (w *Web) serveAsset(rw http.ResponseWriter, r *http.Request) error {
	a, ok := w.assets[mux.Vars(r)["name"]]
	if !ok {
		return protocol.Errorf("find file", protocol.NotFound, "", "there is no such file")
	}
	h := rw.Header()
	h.Set("Content-Type", a.media)
	h.Set("ETag", `"`+a.hash+`"`)
	h.Set("Cache-Control", "public, max-age=3600")
	if r.URL.Query().Get("v") == a.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(a.content))
	return nil
}

// serveFavicon answers browsers that ask by habit; pages name the SVG.
func (w *Web) serveFavicon(rw http.ResponseWriter, r *http.Request) error {
	return w.serveAsset(rw, mux.SetURLVars(r, map[string]string{"name": "icon.png"}))
}
