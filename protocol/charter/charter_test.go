package charter

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/jws"
	"github.com/waypost-directory/waypost/protocol/proof"
)

var update = flag.Bool("update", false, "write the vectors anew")

const (
	origin = "https://riverside.example"
	actor  = origin + "/ap/a/riverside"
)

var (
	issued  = time.Date(2026, 8, 20, 9, 0, 0, 0, time.UTC)
	headKey = multikey(ed25519.NewKeyFromSeed([]byte("head-head-head-head-head-head-32")))
)

func params() Params {
	return Params{Origin: origin, Actor: actor, HeadKey: headKey, Issued: issued, Rand: newSeeded(7)}
}

func card(n int) RecoveryCard { return RecoveryCard{secret: [16]byte{0: byte(n)}} }

// valid is a first charter of n stewards, whose cards are card(1) to card(n).
func valid(n, k int) Charter {
	c := Charter{Type: "Charter", Version: 1, Issued: issued, Threshold: k, Solo: n == 1,
		Host: Host{Origin: origin, Actor: actor, HeadKey: headKey}, Buddies: []Buddy{}, Policy: defaultPolicy()}
	for i := 1; i <= n; i++ {
		c.Stewards = append(c.Stewards, Steward{ID: fmt.Sprintf("s%d", i),
			Keys: []Key{{Kind: KindCode, Key: multikey(card(i).SigningKey())}}, Share: card(i).Share()})
	}
	return c
}

func by(n int) jws.Signer {
	key := card(n).SigningKey()
	return jws.Signer{Key: key, KeyID: multikey(key), Type: "waypost-charter+jws", At: issued}
}

func signPayload(t testing.TB, payload []byte, signers ...jws.Signer) []byte {
	t.Helper()
	raw, err := jws.Sign(payload, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func signCharter(t testing.TB, c Charter, signers ...jws.Signer) []byte {
	t.Helper()
	payload, err := c.encode()
	if err != nil {
		t.Fatal(err)
	}
	return signPayload(t, payload, signers...)
}

func TestMint_GivesACharterThatNamesItsHostAndItsSteward(t *testing.T) {
	raw, card, cid, err := Mint(params())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if c.CID() != cid || len(cid) != 52 || cid != strings.ToLower(cid) {
		t.Errorf("got cid %s and %s", c.CID(), cid)
	}
	s := c.Stewards[0]
	if !c.Solo || c.Threshold != 1 || len(c.Stewards) != 1 || s.Keys[0].Key != multikey(card.SigningKey()) || s.Share != card.Share() {
		t.Errorf("got %+v", c)
	}
	if !c.Names(actor, headKey) || c.Names(actor+"x", headKey) || c.Names(actor, s.Keys[0].Key) || c.Names("", headKey) || c.Names(actor, "") || (Charter{}).Names("", "") {
		t.Error("it names another host, or not its own")
	}
	if !c.Issued.Equal(issued) || c.Policy != defaultPolicy() {
		t.Errorf("got %+v", c)
	}
	if bytes.Contains(raw, []byte(card.String())) || bytes.Contains(c.payload, card.secret[:]) {
		t.Error("the charter holds the card")
	}
}

func TestMint_EveryCommunityHasAnIdentityOfItsOwn(t *testing.T) {
	p := params()
	p.Rand = nil
	_, cardA, a, errA := Mint(p)
	_, cardB, b, errB := Mint(p)
	if errA != nil || errB != nil || a == b || cardA == cardB {
		t.Errorf("got %s, %v and %s, %v", a, errA, b, errB)
	}
}

func TestMint_RefusesWhatParseWouldRefuse(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"no origin":        func(p *Params) { p.Origin = "" },
		"origin not web":   func(p *Params) { p.Origin = "ftp://riverside.example" },
		"actor elsewhere":  func(p *Params) { p.Actor = "https://hillside.example/ap/a/riverside" },
		"no actor":         func(p *Params) { p.Actor = "" },
		"no head key":      func(p *Params) { p.HeadKey = "" },
		"head key not one": func(p *Params) { p.HeadKey = "z6Mknonsense" },
		"not issued":       func(p *Params) { p.Issued = time.Time{} },
	} {
		p := params()
		change(&p)
		if raw, _, _, err := Mint(p); protocol.KindOf(err) != protocol.Invalid || raw != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	p := params()
	p.Rand = iotest.ErrReader(errors.New("no entropy"))
	if _, _, _, err := Mint(p); protocol.KindOf(err) != protocol.Internal {
		t.Errorf("no randomness: got %v", err)
	}
}

func TestMint_BringsTheOriginToItsPlainForm(t *testing.T) {
	p := params()
	p.Origin = "https://Riverside.Example:443/"
	raw, _, _, err := Mint(p)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Parse(raw); err != nil || c.Host.Origin != origin {
		t.Errorf("got %s, %v", c.Host.Origin, err)
	}
}

func TestParse_CountsDistinctStewards(t *testing.T) {
	twoKeys := valid(3, 2)
	twoKeys.Stewards[0].Keys = append(twoKeys.Stewards[0].Keys, Key{Kind: KindCode, Key: multikey(card(8).SigningKey())})
	passkey := valid(3, 2)
	passkey.Stewards[0].Keys = append(passkey.Stewards[0].Keys, Key{Kind: "passkey", RP: "riverside.example", Key: multikey(card(8).SigningKey())})
	typed := func(n int, typ string) jws.Signer { s := by(n); s.Type = typ; return s }
	as := func(n int, claims int) jws.Signer { s := by(n); s.KeyID = by(claims).KeyID; return s }
	later := func(n int) jws.Signer { s := by(n); s.At = issued.Add(time.Hour); return s }
	for _, c := range []struct {
		name    string
		charter Charter
		signers []jws.Signer
		count   int // -1 when enough
	}{
		{"one of one", valid(1, 1), []jws.Signer{by(1)}, -1},
		{"two of three", valid(3, 2), []jws.Signer{by(1), by(3)}, -1},
		{"three of three", valid(3, 2), []jws.Signer{by(3), by(2), by(1)}, -1},
		{"three of five", valid(5, 3), []jws.Signer{by(1), by(2), by(5)}, -1},
		{"enough beside a stranger and a wrong signature", valid(3, 2), []jws.Signer{by(9), as(9, 3), by(1), by(2)}, -1},
		{"a wrong signature does not use up the steward", valid(3, 2), []jws.Signer{as(9, 1), by(1), by(2)}, -1},
		{"k−1", valid(3, 2), []jws.Signer{by(1)}, 1},
		{"k−1 of five", valid(5, 3), []jws.Signer{by(1), by(2)}, 2},
		{"the same steward twice", valid(3, 2), []jws.Signer{by(1), by(1)}, 1},
		{"the same steward twice, later", valid(3, 2), []jws.Signer{by(1), later(1)}, 1},
		{"two keys of one steward", twoKeys, []jws.Signer{by(1), by(8)}, 1},
		{"code and passkey of one steward", passkey, []jws.Signer{by(1), by(8)}, 1},
		{"a stranger", valid(1, 1), []jws.Signer{by(9)}, 0},
		{"a stranger beside one", valid(3, 2), []jws.Signer{by(1), by(9)}, 1},
		{"a stranger under a steward's name", valid(3, 2), []jws.Signer{by(1), as(9, 2)}, 1},
		{"the head key", valid(1, 1), []jws.Signer{{Key: ed25519.NewKeyFromSeed([]byte("head-head-head-head-head-head-32")), KeyID: headKey, Type: signatureType, At: issued}}, 0},
		{"a receipt's signature", valid(1, 1), []jws.Signer{typed(1, "waypost-receipt+jws")}, 0},
		{"a head's signature beside one", valid(3, 2), []jws.Signer{by(1), typed(2, "waypost-head+jws")}, 1},
		{"type in capitals", valid(1, 1), []jws.Signer{typed(1, "Waypost-Charter+JWS")}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(signCharter(t, c.charter, c.signers...))
			if c.count < 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want := fmt.Sprintf("%d of the charter's stewards signed it; it needs %d", c.count, c.charter.Threshold)
			if protocol.KindOf(err) != protocol.Unverified || !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func TestParse_HoldsTheRulesOfAFirstCharter(t *testing.T) {
	text := "x"
	for _, c := range []struct {
		name   string
		n, k   int
		change func(*Charter)
		says   string
	}{
		{"another type", 1, 1, func(c *Charter) { c.Type = "Head" }, "not a Charter"},
		{"version 2", 1, 1, func(c *Charter) { c.Version = 2 }, "version 1"},
		{"version 0", 1, 1, func(c *Charter) { c.Version = 0 }, "version 1"},
		{"a charter before it", 1, 1, func(c *Charter) { c.Prev = &text }, "null for prev"},
		{"a community already", 1, 1, func(c *Charter) { c.Community = &text }, "null for prev and community"},
		{"not issued", 1, 1, func(c *Charter) { c.Issued = time.Time{} }, "issued"},
		{"buddies", 1, 1, func(c *Charter) { c.Buddies = []Buddy{{Node: origin, Key: headKey}} }, "buddies"},
		{"no stewards", 0, 0, func(c *Charter) {}, "1 to 15 stewards"},
		{"sixteen stewards", 16, 9, func(c *Charter) {}, "1 to 15 stewards"},
		{"two stewards", 2, 1, func(c *Charter) {}, "one steward, or three"},
		{"one steward, not solo", 1, 1, func(c *Charter) { c.Solo = false }, "solo"},
		{"three stewards, solo", 3, 2, func(c *Charter) { c.Solo = true }, "solo"},
		{"threshold 0", 1, 0, func(c *Charter) {}, "threshold of a solo charter"},
		{"threshold 2 of 1", 1, 2, func(c *Charter) {}, "threshold of a solo charter"},
		{"threshold 1 of 3", 3, 1, func(c *Charter) {}, "more than half"},
		{"threshold 3 of 3", 3, 3, func(c *Charter) {}, "fewer than all"},
		{"threshold 2 of 4", 4, 2, func(c *Charter) {}, "more than half"},
		{"threshold −1", 3, -1, func(c *Charter) {}, "more than half"},
		{"a steward without an id", 1, 1, func(c *Charter) { c.Stewards[0].ID = "" }, "id of its own"},
		{"two stewards of one id", 3, 2, func(c *Charter) { c.Stewards[1].ID = "s1" }, "id of its own"},
		{"two stewards of one key", 3, 2, func(c *Charter) { c.Stewards[1].Keys = c.Stewards[0].Keys }, "listed once"},
		{"two stewards of one share", 3, 2, func(c *Charter) { c.Stewards[1].Share = c.Stewards[0].Share }, "share of its own"},
		{"a share that is none", 1, 1, func(c *Charter) { c.Stewards[0].Share = "age1x" }, "age recipient"},
		{"a steward without keys", 1, 1, func(c *Charter) { c.Stewards[0].Keys = nil }, "needs a code key"},
		{"a steward with a passkey only", 1, 1, func(c *Charter) { c.Stewards[0].Keys[0].Kind = "passkey" }, "needs a code key"},
		{"a steward with five keys", 1, 1, func(c *Charter) { c.Stewards[0].Keys = make([]Key, 5) }, "at most 4 keys"},
		{"a key that is none", 1, 1, func(c *Charter) { c.Stewards[0].Keys[0].Key = "z6Mkx" }, "not an Ed25519 key"},
		{"the head key as a steward's", 1, 1, func(c *Charter) { c.Host.HeadKey = c.Stewards[0].Keys[0].Key }, "listed once"},
		{"actor on another host", 1, 1, func(c *Charter) { c.Host.Actor = "https://evil.example/ap/a/riverside" }, "on host.origin"},
		{"actor on a sub-domain", 1, 1, func(c *Charter) { c.Host.Actor = "https://x.riverside.example/ap/a/riverside" }, "on host.origin"},
		{"actor by another scheme", 1, 1, func(c *Charter) { c.Host.Actor = "http://riverside.example/ap/a/riverside" }, "on host.origin"},
		{"actor on another port", 1, 1, func(c *Charter) { c.Host.Actor = "https://riverside.example:8443/ap/a/riverside" }, "on host.origin"},
		{"actor with a user", 1, 1, func(c *Charter) { c.Host.Actor = "https://riverside.example@evil.example/" }, "on host.origin"},
		{"actor with a fragment", 1, 1, func(c *Charter) { c.Host.Actor += "#key" }, "on host.origin"},
		{"no actor", 1, 1, func(c *Charter) { c.Host.Actor = "" }, "on host.origin"},
		{"actor too long", 1, 1, func(c *Charter) { c.Host.Actor += strings.Repeat("x", 2_048) }, "on host.origin"},
		{"origin with a path", 1, 1, func(c *Charter) { c.Host.Origin += "/" }, "plain origin"},
		{"origin in capitals", 1, 1, func(c *Charter) { c.Host.Origin = "https://Riverside.example" }, "plain origin"},
		{"origin of another scheme", 1, 1, func(c *Charter) { c.Host.Origin = "ap://riverside.example" }, "plain origin"},
		{"no head key", 1, 1, func(c *Charter) { c.Host.HeadKey = "" }, "headKey"},
		{"heads for a week", 1, 1, func(c *Charter) { c.Policy.HeadMaxAge = "168h" }, "headMaxAge"},
		{"heads for ever", 1, 1, func(c *Charter) { c.Policy.HeadMaxAge = "" }, "headMaxAge"},
		{"fraction of two", 1, 1, func(c *Charter) { c.Policy.BulkDelete.Fraction = 2 }, "bulkDelete"},
		{"negative minimum", 1, 1, func(c *Charter) { c.Policy.BulkDelete.Min = -1 }, "bulkDelete"},
		{"no feed days", 1, 1, func(c *Charter) { c.Policy.FeedDays = 0 }, "feedDays"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ch := valid(c.n, c.k)
			c.change(&ch)
			signers := []jws.Signer{by(1)}
			for i := 2; i <= c.n; i++ {
				signers = append(signers, by(i))
			}
			_, err := Parse(signCharter(t, ch, signers...))
			if protocol.KindOf(err) != protocol.Invalid || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("got %v, want it to say %q", err, c.says)
			}
		})
	}
}

func TestParse_RefusesOtherFormsOfTheSameCharter(t *testing.T) {
	payload, err := valid(1, 1).encode()
	if err != nil {
		t.Fatal(err)
	}
	raw := signPayload(t, payload, by(1))
	if _, err := Parse(raw); err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, payload, "", " "); err != nil {
		t.Fatal(err)
	}
	var general struct {
		Payload    string
		Signatures []struct{ Protected, Signature string }
	}
	if err := json.Unmarshal(raw, &general); err != nil {
		t.Fatal(err)
	}
	flattened := fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, general.Payload, general.Signatures[0].Protected, general.Signatures[0].Signature)
	for _, c := range []struct {
		name string
		in   []byte
		says string
	}{
		{"flattened", []byte(flattened), "flattened"},
		{"indented payload", signPayload(t, indented.Bytes(), by(1)), "canonical"},
		{"space after the payload", signPayload(t, append(bytes.Clone(payload), '\n'), by(1)), "canonical"},
		{"number in another form", signPayload(t, bytes.Replace(payload, []byte(`"feedDays":90`), []byte(`"feedDays":9e1`), 1), by(1)), "canonical"},
		{"key twice", signPayload(t, bytes.Replace(payload, []byte(`"version":1`), []byte(`"version":1,"version":1`), 1), by(1)), "twice"},
		{"version in words", signPayload(t, bytes.Replace(payload, []byte(`"version":1`), []byte(`"version":"1"`), 1), by(1)), "malformed"},
		{"version with a fraction", signPayload(t, bytes.Replace(payload, []byte(`"version":1`), []byte(`"version":1.5`), 1), by(1)), "malformed"},
		{"a list", signPayload(t, []byte(`[]`), by(1)), "one JSON object"},
		{"an empty object", signPayload(t, []byte(`{}`), by(1)), "not a Charter"},
		{"the payload alone", payload, "general form"},
		{"nothing", nil, "one JSON object"},
	} {
		if _, err := Parse(c.in); protocol.KindOf(err) != protocol.Invalid || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: got %v, want it to say %q", c.name, err, c.says)
		}
	}
}

// A later version may add members; the identity stays the hash of all bytes.
func TestParse_KeepsMembersThatItDoesNotKnow(t *testing.T) {
	payload, err := valid(1, 1).encode()
	if err != nil {
		t.Fatal(err)
	}
	more := append(bytes.Clone(payload[:len(payload)-1]), `,"zone":"x"}`...)
	c, err := Parse(signPayload(t, more, by(1)))
	if err != nil || c.CID() != CIDOf(more) || c.CID() == CIDOf(payload) {
		t.Errorf("got %s, %v", c.CID(), err)
	}
}

// Whatever byte is changed, the charter is refused.
func TestParse_NoChangedByteIsBelieved(t *testing.T) {
	const seed = 1
	random := rand.New(rand.NewPCG(seed, 0))
	good, _, cid, err := Mint(params())
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for range 3 {
			bad := bytes.Clone(good)
			bad[i] ^= byte(1 + random.IntN(255))
			if c, err := Parse(bad); err == nil {
				t.Fatalf("seed %d: byte %d changed from %q to %q is believed (cid %s, was %s)", seed, i, good[i], bad[i], c.CID(), cid)
			}
		}
	}
}

// vectors is protocol/testdata/vectors/charter.json, for other implementations.
type vectors struct {
	Source string `json:"source"`
	Cards  []struct {
		Secret     string `json:"secret"`
		Card       string `json:"card"`
		SigningKey string `json:"signingKey"` // public, Multikey
		Share      string `json:"share"`
	} `json:"cards"`
	Charters []struct {
		Name     string `json:"name"`
		Payload  string `json:"payload"`
		Document string `json:"document"`
		CID      string `json:"cid"`
		Actor    string `json:"actor"`
		HeadKey  string `json:"headKey"`
	} `json:"charters"`
	Refused []struct {
		Name     string `json:"name"`
		Document string `json:"document"`
	} `json:"refused"`
}

const vectorFile = "../testdata/vectors/charter.json"

func TestVectors_HoldForAnyImplementation(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	var v vectors
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Cards {
		got, err := ParseCard(c.Card)
		if err != nil || hex.EncodeToString(got.secret[:]) != c.Secret || got.String() != c.Card || multikey(got.SigningKey()) != c.SigningKey || got.Share() != c.Share {
			t.Errorf("%s: got %x, %s, %s, %v", c.Card, got.secret, multikey(got.SigningKey()), got.Share(), err)
		}
	}
	for _, c := range v.Charters {
		got, err := Parse([]byte(c.Document))
		if err != nil || got.CID() != c.CID || string(got.payload) != c.Payload || !got.Names(c.Actor, c.HeadKey) {
			t.Errorf("%s: got %s, %v", c.Name, got.CID(), err)
		}
	}
	for _, c := range v.Refused {
		if got, err := Parse([]byte(c.Document)); err == nil {
			t.Errorf("%s: believed as %s", c.Name, got.CID())
		}
	}
	if len(v.Cards) == 0 || len(v.Charters) == 0 || len(v.Refused) == 0 {
		t.Error("the vectors are empty")
	}
}

func writeVectors(t *testing.T) {
	t.Helper()
	v := map[string]any{"source": "Waypost: recovery cards and first charters"}
	var cards, charters, refused []map[string]string
	for _, secret := range []string{"00000000000000000000000000000000", "000102030405060708090a0b0c0d0e0f", "ffffffffffffffffffffffffffffffff"} {
		b, _ := hex.DecodeString(secret)
		c := RecoveryCard{secret: [16]byte(b)}
		cards = append(cards, map[string]string{"secret": secret, "card": c.String(), "signingKey": multikey(c.SigningKey()), "share": c.Share()})
	}
	add := func(name string, document []byte) {
		c, err := Parse(document)
		if err != nil {
			t.Fatal(err)
		}
		charters = append(charters, map[string]string{"name": name, "payload": string(c.payload), "document": string(document), "cid": c.CID(), "actor": c.Host.Actor, "headKey": c.Host.HeadKey})
	}
	solo, _, _, err := Mint(params())
	if err != nil {
		t.Fatal(err)
	}
	add("one steward", solo)
	add("two of three stewards", signCharter(t, valid(3, 2), by(1), by(3)))
	elsewhere := valid(1, 1)
	elsewhere.Host.Actor = "https://hillside.example/ap/a/riverside"
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"one of three stewards", signCharter(t, valid(3, 2), by(1))},
		{"the same steward twice", signCharter(t, valid(3, 2), by(1), by(1))},
		{"a key that is not listed", signCharter(t, valid(1, 1), by(9))},
		{"actor on another origin", signCharter(t, elsewhere, by(1))},
	} {
		refused = append(refused, map[string]string{"name": c.name, "document": string(c.raw)})
	}
	v["cards"], v["charters"], v["refused"] = cards, charters, refused
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	good, _, cid, err := Mint(params())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(signCharter(f, valid(3, 2), by(1), by(2)))
	payload, err := valid(1, 1).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte(`{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := Parse(raw)
		if err != nil {
			switch protocol.KindOf(err) {
			case protocol.Invalid, protocol.TooLarge, protocol.Unverified:
			default:
				t.Fatalf("unexpected kind of %v", err)
			}
			return
		}
		if canonical, err := proof.Canonical(c.payload); err != nil || !bytes.Equal(canonical, c.payload) {
			t.Fatalf("not canonical: %s", c.payload)
		}
		if c.Names(actor, headKey) && c.CID() != cid && len(c.Stewards) == 1 && c.Stewards[0].Keys[0].Key != by(1).KeyID {
			t.Fatalf("a forged charter is believed: %s", raw)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw, _, _, err := Mint(params())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}
