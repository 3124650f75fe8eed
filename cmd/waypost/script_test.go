package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/badger"
)

// The scripts in testdata/script read like sessions at a terminal. waypost in
// them is this program, as real processes; fetch is a small HTTP client.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"waypost": main, "fetch": fetch})
}

func TestScripts(t *testing.T) {
	exchange, err := filepath.Abs("../../node/exchange/testdata")
	if err != nil {
		t.Fatal(err)
	}
	mastodon := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(mastodon.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXCHANGE", exchange)
			env.Setenv("ELSEWHERE", mastodon.URL)
			for _, name := range []string{"A", "B", "NOBODY"} {
				port, err := freePort()
				if err != nil {
					return err
				}
				env.Setenv(name+"_PORT", port)
				env.Setenv(name, "http://localhost:"+port)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fails": fails,
			"ready": ready,
			"finds": finds,
			"let":   let,
			"ahead": ahead,
			"newer": newer,
		},
	})
}

// freePort is one that nobody uses at the moment.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// fails CODE program args... runs a program that must end with that code and
// with one last line on stderr that tells why; lines before it may list
// details.
func fails(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("%s: want exit code %s, got %v\n%s%s", strings.Join(args[1:], " "), args[0], err, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
	said := strings.TrimSuffix(ts.ReadFile("stderr"), "\n")
	last := said[strings.LastIndex(said, "\n")+1:]
	if !strings.HasPrefix(last, "waypost: ") || len(last) < 20 {
		ts.Fatalf("%s: stderr does not end with one line of ours: %q", strings.Join(args[1:], " "), said)
	}
	ts.Logf("%s", last)
}

// ready DIR waits until the node in DIR answers.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	a := socketClient(ts.MkAbs(args[0]))
	eventually(ts, "the node in "+args[0]+" answers", func() bool { return (a.ready(context.Background()) == nil) != neg })
}

// finds URL QUERY N waits until a search has so many results.
func finds(ts *testscript.TestScript, _ bool, args []string) {
	want := fmt.Sprintf(`"total":%s,`, args[2])
	var got string
	defer func() {
		if !strings.Contains(got, want) {
			ts.Logf("last answer: %.500s", got)
		}
	}()
	eventually(ts, fmt.Sprintf("%s finds %q %s times", args[0], args[1], args[2]), func() bool {
		req, err := http.NewRequest(http.MethodGet, args[0]+"/search?q="+escape(args[1]), nil)
		ts.Check(err)
		req.Header.Set("Accept", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		got = strings.ReplaceAll(string(raw), " ", "")
		return strings.Contains(got, want)
	})
}

func eventually(ts *testscript.TestScript, what string, ok func() bool) {
	for begin := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			ts.Fatalf("not within 20 seconds: %s", what)
		}
	}
}

// let NAME PATTERN sets a variable to what the pattern's group matches in
// stdout.
func let(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("no %s in stdout", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// ahead FROM TO copies a calendar and moves what happens in 2027 or later by
// as many times 52 weeks as it takes to lie in the future.
func ahead(ts *testscript.TestScript, _ bool, args []string) {
	days := 0
	for first := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC); first.AddDate(0, 0, days).Before(time.Now()); days += 52 * 7 {
	}
	date := regexp.MustCompile(`\b20[0-9]{6}`)
	moved := date.ReplaceAllStringFunc(ts.ReadFile(args[0]), func(s string) string {
		d, err := time.Parse("20060102", s)
		if err != nil {
			return s
		}
		return d.AddDate(0, 0, days).Format("20060102")
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(moved), 0o600))
}

// newer DIR marks a store as a later version would.
func newer(ts *testscript.TestScript, _ bool, args []string) {
	db, err := badger.Open(badger.Options{Dir: filepath.Join(ts.MkAbs(args[0]), "store")})
	ts.Check(err)
	ts.Check(db.Update(context.Background(), func(tx store.Tx) error {
		return tx.Put(store.MetaKey("format version"), []byte{0, 0, 0, 0, 0, 0, 0, 99})
	}))
	ts.Check(db.Close())
}

// fetch METHOD URL [TOKEN [FILE]] prints an answer's status and body.
func fetch() {
	args := append(os.Args[1:], "", "")
	var body []byte
	if args[3] != "" {
		var err error
		if body, err = os.ReadFile(args[3]); err != nil {
			panic(err)
		}
	}
	req, err := http.NewRequest(args[0], args[1], bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	if args[2] != "" {
		req.Header.Set("Authorization", "Bearer "+args[2])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	fmt.Println(resp.Status)
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		panic(err)
	}
}
