package testnet_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/testnet"
)

func waitFor(t *testing.T, ok func() (bool, error)) error {
	t.Helper()
	return testnet.WaitFor(t.Context(), 30*time.Second, ok)
}

// fedify is testnet/fedify/peer.mjs running.
type fedify struct {
	*process
	base  string
	actor string
}

// note is what Fedify says of one thing that it was sent.
type note struct {
	Path        string
	Scheme      string // rfc9421 or cavage
	Signature   string // whose it is, or why it does not verify
	Proof       string // of the activity: valid, invalid or none
	ObjectProof string
	Status      int  // of its answer
	Taken       bool // whether it was verified and handed to the application
	Activity    struct {
		ID     string
		Type   string
		Actor  string
		Object json.RawMessage
	}
}

func (n note) String() string {
	return fmt.Sprintf("%s of %s to %s signed in %s by %s, proofs %s and %s, answered %d", n.Activity.Type, n.Activity.Object, n.Path,
		n.Scheme, n.Signature, n.Proof, n.ObjectProof, n.Status)
}

func startFedify(t *testing.T, knock string) *fedify {
	t.Helper()
	foreign(t, "fedify/node_modules/@fedify/fedify/package.json")
	address := freeAddress(t, "127.0.0.21")
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	f := &fedify{base: "http://" + address}
	cmd := exec.Command(nodeJS(t), "peer.mjs", f.base, host, port)
	cmd.Dir = "fedify"
	cmd.Env = append(cmd.Environ(), "PEER_KNOCK="+knock)
	f.process = startProcess(t, "the Fedify peer", cmd)
	if err := waitFor(t, func() (bool, error) { return strings.Contains(f.out.String(), "ready"), nil }); err != nil {
		t.Fatalf("Fedify does not start: %v\n%s", err, f.out.String())
	}
	var answer struct{ Actor string }
	call(t, f.base+"/control/actor", nil, &answer)
	f.actor = answer.Actor
	return f
}

// received waits for an activity of a type and checks that Fedify verified it.
func (f *fedify) received(t *testing.T, kind, contains string) note {
	t.Helper()
	var got []note
	var found note
	err := waitFor(t, func() (bool, error) {
		call(t, f.base+"/control/received", nil, &got)
		for _, n := range got {
			if n.Activity.Type == kind && strings.Contains(string(n.Activity.Object), contains) {
				found = n
				return true, nil
			}
		}
		return false, fmt.Errorf("so far: %v", got)
	})
	if err != nil {
		t.Fatalf("no %s with %q arrived: %v", kind, contains, err)
	}
	if found.Signature != found.Activity.Actor || found.Status != 202 || !found.Taken {
		t.Errorf("%s: Fedify says %v", kind, found)
	}
	return found
}

// sends has Fedify post one activity and checks our answer.
func (f *fedify) sends(t *testing.T, want int, what map[string]any) {
	t.Helper()
	var answer struct {
		Status int
		Words  string
	}
	call(t, f.base+"/control/send", what, &answer)
	if answer.Status != want {
		t.Errorf("%v: got %d %s, want %d", what, answer.Status, answer.Words, want)
	}
}

func followers(t *testing.T, actor string) int {
	t.Helper()
	var c struct{ TotalItems int }
	call(t, actor+"/followers", nil, &c)
	return c.TotalItems
}

func wantFollowers(t *testing.T, actor string, want int) {
	t.Helper()
	if err := waitFor(t, func() (bool, error) { return followers(t, actor) == want, nil }); err != nil {
		t.Errorf("%s has %d followers, want %d", actor, followers(t, actor), want)
	}
}

const tablets = `{"kind":"offer","title":"Tablet help","description":"Bring your *own*, at <b>any</b> stage.","categories":["quick-tips"],
 "place":{"name":"Central Library","latitude":51.456,"longitude":0.146},"tags":["TabletHelp"]}`

const talk = `{"kind":"event","title":"Talk about the cloud","start":"2099-03-02T10:00:00Z","end":"2099-03-02T12:00:00Z","timezone":"Europe/London",
 "place":{"name":"Town Hall"},"cost":{"free":true}}`

// uidOf reads what `listing add --json` printed.
func uidOf(t *testing.T, out string) string {
	t.Helper()
	var l struct{ UID string }
	if err := json.Unmarshal([]byte(out), &l); err != nil || l.UID == "" {
		t.Fatalf("%v in %s", err, out)
	}
	return l.UID
}

func TestFedify_FollowsACommunityAndVerifiesWhatItPublishes(t *testing.T) {
	s, f := startServer(t), startFedify(t, "")
	var target struct{ Target, Type, Inbox string }
	call(t, f.base+"/control/follow", map[string]string{"object": s.group()}, &target)
	if target.Target != s.group() || target.Type != "Group" || target.Inbox != s.group()+"/inbox" {
		t.Errorf("Fedify reads our actor as %+v", target)
	}
	f.received(t, "Accept", "#follow-")
	wantFollowers(t, s.group(), 1)

	uid := uidOf(t, s.run(t, tablets, "listing", "add", "-", "--json"))
	if n := f.received(t, "Create", "Tablet help"); n.Proof != "valid" || n.ObjectProof != "valid" {
		t.Errorf("the proofs of the Create are %s and %s", n.Proof, n.ObjectProof)
	}
	s.run(t, talk, "listing", "add", "-")
	if n := f.received(t, "Create", "about the cloud"); n.Proof != "valid" || n.ObjectProof != "valid" {
		t.Errorf("the proofs of the event are %s and %s", n.Proof, n.ObjectProof)
	}
	s.run(t, `{"kind":"offer","uid":"`+uid+`","title":"Newsletter clinic"}`, "listing", "add", "-")
	if n := f.received(t, "Update", "Newsletter clinic"); n.Proof != "valid" || n.ObjectProof != "valid" {
		t.Errorf("the proofs of the Update are %s and %s", n.Proof, n.ObjectProof)
	}
	s.run(t, "", "listing", "remove", uid)
	if n := f.received(t, "Delete", uid); n.Proof != "valid" {
		t.Errorf("the proof of the Delete is %s", n.Proof)
	}

	call(t, f.base+"/control/undo", map[string]string{"object": s.group()}, &target)
	wantFollowers(t, s.group(), 0)
}

func TestFedify_FollowsTheApplicationAndGetsAnnounces(t *testing.T) {
	s, f := startServer(t), startFedify(t, "rfc9421")
	var target struct{ Target, Type string }
	call(t, f.base+"/control/follow", map[string]string{"object": s.relay()}, &target)
	if target.Target != s.relay() || target.Type != "Application" {
		t.Errorf("Fedify reads our actor as %+v", target)
	}
	f.received(t, "Accept", "#follow-")
	wantFollowers(t, s.relay(), 1)
	uid := uidOf(t, s.run(t, talk, "listing", "add", "-", "--json"))
	n := f.received(t, "Announce", uid)
	if want := `"` + s.base + "/ap/o/" + uid + `"`; string(n.Activity.Object) != want || n.Activity.Actor != s.relay() {
		t.Errorf("announced %s by %s, want %s", n.Activity.Object, n.Activity.Actor, want)
	}
	call(t, f.base+"/control/undo", map[string]string{"object": s.relay()}, &target)
	wantFollowers(t, s.relay(), 0)
}

func TestFedify_IsBelievedInBothSchemesAndNotOtherwise(t *testing.T) {
	s, f := startServer(t), startFedify(t, "")
	for _, scheme := range []string{"cavage", "rfc9421"} {
		for _, proof := range []bool{false, true} {
			f.sends(t, 202, map[string]any{"inbox": s.inbox(), "type": "Like", "object": s.group(), "scheme": scheme, "proof": proof})
		}
		f.sends(t, 202, map[string]any{"inbox": s.group() + "/inbox", "type": "Follow", "object": s.group(), "scheme": scheme})
		wantFollowers(t, s.group(), 1)
		f.sends(t, 202, map[string]any{"inbox": s.inbox(), "type": "Undo", "object": s.group(), "scheme": scheme})
		wantFollowers(t, s.group(), 0)
		f.sends(t, 401, map[string]any{"inbox": s.inbox(), "type": "Follow", "object": s.group(), "scheme": scheme, "key": "stranger"})
	}
	f.sends(t, 401, map[string]any{"inbox": s.inbox(), "type": "Follow", "object": s.group(), "key": "none"})
	f.sends(t, 404, map[string]any{"inbox": s.inbox(), "type": "Follow", "object": s.base + "/ap/a/nobody"})
	wantFollowers(t, s.group(), 0)
}
