package testnet_test

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/waypost-directory/waypost"

// rooms is the table of who may import whom (docs/architecture.md). A package
// imports from its own room only if it lies below itself in the tree, and from
// rooms listed here.
var rooms = map[string][]string{
	"protocol":         {},
	"protocol/vocab":   {"protocol", "protocol/proof"},
	"protocol/proof":   {"protocol"},
	"protocol/httpsig": {"protocol", "protocol/proof"},
	"protocol/jws":     {"protocol", "protocol/proof"},
	"protocol/charter": {"protocol", "protocol/jws", "protocol/proof"},
	"protocol/feed":    {"protocol", "protocol/jws", "protocol/proof"},

	"node/store":      {"protocol"},
	"node/transport":  {"protocol"},
	"node/directory":  {"node/store", "node/transport", "protocol"},
	"node/search":     {"node/store", "node/transport", "protocol"},
	"node/federation": {"node/directory", "node/search", "node/store", "node/transport", "protocol"},
	"node/peer":       {"node/directory", "node/search", "node/store", "node/transport", "protocol"},
	"node/matching":   {"node/directory", "node/search", "node/store", "node/transport", "protocol"},
	"node/coverage":   {"node/directory", "node/search", "node/store", "node/transport", "protocol"},
	"node/steward":    {"node/directory", "node/search", "node/store", "node/transport", "protocol"},
	"node/exchange":   {"node/directory", "node/search", "node/store", "node/transport", "protocol"},
	"node/web": {"node/federation", "node/peer", "node/matching", "node/coverage", "node/steward", "node/exchange",
		"node/directory", "node/search", "node/store", "node/transport", "protocol"},
	"node": {"node/", "protocol"},

	"cmd":     {"node", "protocol", "cmd", "testnet"},
	"testnet": {"node", "protocol", "cmd", "testnet"},
}

// fences are the modules that one place alone may import.
var fences = map[string][]string{
	"github.com/go-fed/activity":         {"protocol/vocab"},
	"github.com/dgraph-io/badger":        {"node/store/badger"},
	"github.com/spf13/viper":             {"cmd"},
	"github.com/lestrrat-go/jwx":         {"protocol/jws"},
	"modernc.org/sqlite":                 {"node/search/embedded"},
	"github.com/go-fed/httpsig":          {"protocol/httpsig"},
	"github.com/gowebpki/jcs":            {"protocol/proof"},
	"github.com/emersion/go-ical":        {"node/exchange"},
	"github.com/arran4/golang-ical":      {"node/exchange"},
	"github.com/yuin/goldmark":           {"protocol/vocab"},
	"github.com/hanwen/go-fuse":          {"node/store/storetest"},
	"code.dny.dev/ssrf":                  {"node/transport"},
	"filippo.io/age":                     {"protocol/charter"},
	"github.com/microcosm-cc/bluemonday": {"protocol/vocab", "node/exchange"},
}

type listed struct {
	ImportPath string
	Doc        string
	GoFiles    []string
	Imports    []string
}

func TestHouse_EveryPackageImportsOnlyWhatTheTableAllows(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module+"/")
			if ours && !mayImport(from, to) {
				t.Errorf("%s imports %s, which the table does not allow", from, to)
			}
		}
	}
}

func TestHouse_TheTableRefusesWhatItShould(t *testing.T) {
	for _, pair := range [][2]string{
		{"protocol", "protocol/vocab"}, {"protocol/jws", "protocol/charter"}, {"protocol/proof", "node/store"},
		{"node/store", "node/directory"}, {"node/directory", "node/federation"}, {"node/federation", "node/peer"},
		{"node/peer", "node/web"}, {"node/search", "node/directory"}, {"node/store/badger", "node/search"}, {"node/web", "node"}, {"node", "cmd/waypost"},
	} {
		if mayImport(pair[0], pair[1]) {
			t.Errorf("the table lets %s import %s", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{
		{"node/web", "node/federation"}, {"node/federation", "node/directory"}, {"node/store/badger", "node/store"},
		{"node/directory", "protocol/vocab"}, {"node", "node/store/badger"}, {"cmd/waypost", "node"},
	} {
		if !mayImport(pair[0], pair[1]) {
			t.Errorf("the table does not let %s import %s", pair[0], pair[1])
		}
	}
}

func TestHouse_FencedModulesAreImportedFromOnePlace(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imp := range p.Imports {
			for fence, places := range fences {
				if imp != fence && !strings.HasPrefix(imp, fence+"/") {
					continue
				}
				if !slices.ContainsFunc(places, func(place string) bool { return within(from, place) }) {
					t.Errorf("%s imports %s; only %v may", from, imp, places)
				}
			}
		}
	}
}

func TestHouse_EveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		if base := path.Base(p.ImportPath); slices.Contains([]string{"util", "utils", "common", "helpers", "types", "base"}, base) {
			t.Errorf("%s: a package is named after what it does", p.ImportPath)
		}
	}
}

// mayImport looks up the rooms of two packages of ours.
func mayImport(from, to string) bool {
	room := roomOf(from)
	if room != "protocol" && (within(to, room) || within(from, to) && room == to) {
		return true // a driver or a part of the same room
	}
	if isTestHelp(from) {
		return true // conformance suites open real drivers
	}
	for _, allowed := range rooms[room] {
		if allowed == "protocol" && within(to, "protocol") || within(to, strings.TrimSuffix(allowed, "/")) && allowed != "protocol" {
			return exact(room, allowed, to)
		}
	}
	return false
}

// exact keeps protocol's packages to the very packages that they name.
func exact(room, allowed, to string) bool {
	if within(room, "protocol") {
		return slices.Contains(rooms[room], to)
	}
	return true
}

// roomOf is the longest entry of the table that holds a package.
func roomOf(pkg string) string {
	for p := pkg; p != "."; p = path.Dir(p) {
		if _, ok := rooms[p]; ok {
			return p
		}
	}
	return pkg
}

func within(pkg, room string) bool { return pkg == room || strings.HasPrefix(pkg, room+"/") }

func isTestHelp(pkg string) bool {
	return strings.Contains(pkg, "/storetest") || strings.Contains(pkg, "/searchtest")
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,GoFiles,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for dec.More() {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 10 {
		t.Fatalf("go list found only %d packages", len(list))
	}
	return list
}
