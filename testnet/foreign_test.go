package testnet_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/transport"
)

// verifier runs a program of testnet/verifiers with input and decodes its output.
func verifier(t *testing.T, script string, input []byte, into any) {
	t.Helper()
	foreign(t, "verifiers/node_modules/activitypub-testing/package.json")
	cmd := exec.CommandContext(t.Context(), nodeJS(t), script)
	cmd.Dir = "verifiers"
	cmd.Stdin = bytes.NewReader(input)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, errs.String())
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%s: %v in %s", script, err, out)
	}
}

// TestConformance_BothActorsPassActivityPubTesting runs the public suite
// activitypub-testing on what a real node serves.
func TestConformance_BothActorsPassActivityPubTesting(t *testing.T) {
	s := startServer(t)
	s.run(t, tablets, "listing", "add", "-")
	cli := foreign(t, "verifiers/node_modules/activitypub-testing/src/cli.js")
	for _, actor := range []string{s.group(), s.relay()} {
		cmd := exec.CommandContext(t.Context(), nodeJS(t), cli, "test", "actor", actor)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v\n%s", actor, err, errs.String())
		}
		outcomes := map[string]int{}
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			var a struct {
				Result struct{ Outcome, Info string }
				Test   struct{ Slug, Name string }
			}
			if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
				t.Fatalf("%v in %s", err, lines.Bytes())
			}
			outcomes[a.Result.Outcome]++
			if a.Result.Outcome == "failed" {
				t.Errorf("%s fails %s: %s", actor, a.Test.Slug, a.Result.Info)
			}
		}
		if outcomes["passed"] < 5 {
			t.Errorf("%s: only %v; was anything tested?\n%s", actor, outcomes, out)
		}
		t.Logf("%s: %v", actor, outcomes)
	}
}

// recorded is one request of ours as it went over the wire.
type recorded struct {
	Method       string            `json:"method"`
	URL          string            `json:"url"`
	Headers      map[string]string `json:"headers"`
	Body         []byte            `json:"body"`
	PublicKeyPEM string            `json:"publicKeyPem"`
	KeyID        string            `json:"keyId"`
}

// TestSignatures_AreVerifiedByOthers records what a node sends, in draft-cavage
// and in RFC 9421 when the other side insists, and has it verified by programs
// that we did not write.
func TestSignatures_AreVerifiedByOthers(t *testing.T) {
	requests := make(chan recorded, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		q := recorded{Method: r.Method, URL: "http://" + r.Host + r.URL.RequestURI(), Headers: map[string]string{"host": r.Host}, Body: body}
		for name, values := range r.Header {
			q.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
		}
		requests <- q
		if q.Headers["signature-input"] == "" {
			w.WriteHeader(http.StatusUnauthorized) // so that it knocks again
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer srv.Close()
	id := identity(t)
	keys, err := id.Keys()
	if err != nil {
		t.Fatal(err)
	}
	client := transport.New(transport.Config{Dev: true})
	defer client.Close()
	// The answers are refusals: only what was sent counts. Another name for the
	// second, where nothing is known yet of the scheme that it wants.
	_, _ = client.GetActivity(t.Context(), srv.URL+"/users/robin", id)
	_, _ = client.Post(t.Context(), strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)+"/inbox?x=%2F", []byte(`{"type":"Create"}`), "application/activity+json", id)
	close(requests)
	seen := map[string]bool{}
	for q := range requests {
		if q.Headers["signature"] == "" {
			t.Fatalf("an unsigned request: %+v", q)
		}
		q.KeyID, q.PublicKeyPEM = id.KeyID(), keys.PublicKeyPEM
		var verdict map[string]any
		raw, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		verifier(t, "signatures.mjs", raw, &verdict)
		scheme := "cavage"
		if q.Headers["signature-input"] != "" {
			scheme = "rfc9421"
		}
		for name, ok := range verdict {
			if ok != true {
				t.Errorf("%s %s in %s: %s says %v", q.Method, q.URL, scheme, name, ok)
			}
		}
		if want := map[string]int{"GET cavage": 2, "POST cavage": 3, "GET rfc9421": 1, "POST rfc9421": 2}[q.Method+" "+scheme]; len(verdict) != want {
			t.Errorf("%s in %s was judged by %v, want %d verdicts", q.Method, scheme, verdict, want)
		}
		seen[q.Method+" "+scheme] = true
		// The same request for another path must not verify.
		q.URL += "x"
		if raw, err = json.Marshal(q); err != nil {
			t.Fatal(err)
		}
		verdict = nil
		verifier(t, "signatures.mjs", raw, &verdict)
		for name, ok := range verdict {
			if ok == true && !strings.Contains(name, "digest") {
				t.Errorf("%s: %s takes anything", scheme, name)
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("only %v was sent, want both methods in both schemes", seen)
	}
}

func identity(t *testing.T) *directory.Identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &directory.Identity{Actor: "https://alpha.example/ap/relay", RSA: key, Ed25519: edKey}
}

func TestCalendar_OthersReadWhatWeExport(t *testing.T) {
	s := startServer(t)
	for _, l := range []string{
		`{"kind":"event","uid":"5b0c6f0e-6a53-4c1e-9d0a-0d6a4f1c0001","title":"Tablet drop-in; bring cake, please","description":"Line one\nLine two","start":"2027-03-02T10:00:00Z","end":"2027-03-02T12:00:00Z","timezone":"Europe/London","recurrence":"FREQ=WEEKLY;COUNT=6","place":{"name":"Central Library"}}`,
		`{"kind":"event","uid":"5b0c6f0e-6a53-4c1e-9d0a-0d6a4f1c0002","title":"Ärger mit dem Drucker? Printer clinic 🖨️ with a title so long that its line has to be folded","start":"2027-05-02T18:00:00+01:00","end":"2027-05-02T20:00:00+01:00","timezone":"Europe/London","status":"cancelled","place":{"name":"Town Hall"}}`,
	} {
		s.run(t, l, "listing", "add", "-")
	}
	type event struct {
		UID, Summary, Location, Status string
		Times                          []string
	}
	var got map[string][]event
	verifier(t, "calendar.mjs", []byte(s.run(t, "", "listing", "export", "--format", "ics")), &got)
	want := []event{
		// Six Tuesdays at ten in London, the last one after the clocks change.
		{Summary: "Tablet drop-in; bring cake, please", Location: "Central Library", Status: "CONFIRMED", Times: []string{
			"2027-03-02T10:00:00.000Z", "2027-03-09T10:00:00.000Z", "2027-03-16T10:00:00.000Z",
			"2027-03-23T10:00:00.000Z", "2027-03-30T09:00:00.000Z", "2027-04-06T09:00:00.000Z"}},
		{Summary: "Ärger mit dem Drucker? Printer clinic 🖨️ with a title so long that its line has to be folded", Location: "Town Hall",
			Status: "CANCELLED", Times: []string{"2027-05-02T17:00:00.000Z"}},
	}
	for reader, events := range got {
		for i := range events {
			if !strings.Contains(events[i].UID, "5b0c6f0e-6a53-4c1e-9d0a-0d6a4f1c000") {
				t.Errorf("%s: uid is %q", reader, events[i].UID)
			}
			events[i].UID = ""
		}
		if !reflect.DeepEqual(events, want) {
			t.Errorf("%s reads\n%+v, want\n%+v", reader, events, want)
		}
	}
	if len(got) != 2 {
		t.Errorf("read by %d programs, want 2", len(got))
	}
}
