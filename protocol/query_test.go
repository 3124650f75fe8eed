package protocol

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseQuery_ReadsEveryParameter(t *testing.T) {
	v, err := url.ParseQuery("q=++tablet%09help++&kind=event,offer&kind=event&category=quick-tips&category=skills-support&mode=online&format=workshop" +
		"&topic=tablets&audience=older-people&access=step-free,hearing-loop&free=on&community=thornmere&area=E09000004&near=51.456,+0.146&within=12.5km" +
		"&from=2027-03-02&to=2027-03-04&sort=distance&page=3&per_page=50&fbclid=zzz")
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseQuery(v)
	if err != nil {
		t.Fatal(err)
	}
	want := Query{Text: "tablet help", Kinds: []Kind{KindEvent, KindOffer}, Categories: []string{"quick-tips", SkillsSupport}, Modes: []string{"online"},
		Formats: []string{"workshop"}, Topic: "tablets", Audience: "older-people", Access: []string{"step-free", "hearing-loop"}, Free: true,
		Community: "thornmere", Area: "E09000004", Near: "51.456, 0.146", Point: &Point{51.456, 0.146}, Within: 12.5,
		From: time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC), To: time.Date(2027, 3, 5, 0, 0, 0, 0, time.UTC), Sort: "distance", Page: 3, PerPage: 50}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	again, err := ParseQuery(got.Values())
	if err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("round trip: got %+v, %v", again, err)
	}
}

func TestParseQuery_NothingFindsEverything(t *testing.T) {
	q, err := ParseQuery(url.Values{"q": {""}, "within": {""}, "utm_source": {"x"}})
	if err != nil || !reflect.DeepEqual(q, Query{}) || len(q.Values()) != 0 || q.String() != "" {
		t.Errorf("got %+v, %v", q, err)
	}
}

func TestParseQuery_SaysWhatIsWrong(t *testing.T) {
	cases := []struct{ query, field, says string }{
		{"kind=party", "kind", "is not one of event, offer"},
		{"category=tips", "category", "quick-tips"},
		{"mode=online&mode=pigeon", "mode", `"pigeon" is not one of`},
		{"format=rave", "format", "workshop"},
		{"access=Step+Free", "access", "step-free"},
		{"access=" + strings.Repeat("x", 41), "access", "at most 40"},
		{"access=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u", "access", "more than 20"},
		{"q=" + strings.Repeat("x", 201), "q", "shorten"},
		{"q=%E2%80%AEx", "q", "invisible"},
		{"q=%ff", "q", "UTF-8"},
		{"free=perhaps", "free", "1 or left out"},
		{"sort=price", "sort", "relevance, distance or date"},
		{"within=0", "within", "0.1 to 500"},
		{"within=NaN", "within", "0.1 to 500"},
		{"within=501", "within", "0.1 to 500"},
		{"from=soon", "from", "2027-03-02"},
		{"to=9999-12-31", "to", "2027-03-02"},
		{"from=2027-03-02&to=2027-03-01T00:00:00Z", "to", "before from"},
		{"page=0", "page", "1 to 500"},
		{"page=first", "page", "whole number"},
		{"per_page=101", "per_page", "1 to 100"},
	}
	for _, c := range cases {
		v, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ParseQuery(v)
		checkFields(t, c.query, err, c.field, c.says)
	}
}

func TestParseQuery_TakesAPointOnlyFromAPoint(t *testing.T) {
	for near, want := range map[string]*Point{
		"51.5,-0.1": {51.5, -0.1}, "-90,180": {-90, 180}, "Bexley, Kent": nil, "91,0": nil, "0,181": nil, "NaN,0": nil, "1,2,3": nil, "": nil,
	} {
		q, err := ParseQuery(url.Values{"near": {near}})
		if err != nil || !reflect.DeepEqual(q.Point, want) {
			t.Errorf("%q: got %v, %v", near, q.Point, err)
		}
	}
	q := Query{Point: &Point{51.5, -0.1}}
	if got, want := q.String(), "near=51.5%2C-0.1"; got != want {
		t.Errorf("a point without a name: got %q, want %q", got, want)
	}
}

// FuzzParseQuery looks for searches whose own address means another search.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{
		"", "q=tablet&kind=event,offer&near=51.4,0.1&within=10km&from=2027-03-02&to=2027-03-02", "from=2027-03-02T10:00:00.5%2B14:00",
		"access=a,,b&access=%20a&page=1&per_page=20", "to=9000-12-31&within=1e2", "near=Bexley&free=Yes&sort=date",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		q, err := ParseQuery(v)
		if err != nil {
			if KindOf(err) != Invalid {
				t.Fatalf("kind %q of %v", KindOf(err), err)
			}
			return
		}
		again, err := ParseQuery(q.Values())
		if err != nil {
			t.Fatalf("%q: its own address is refused: %v", s, err)
		}
		if q.Page == 1 {
			q.Page = 0
		}
		if q.PerPage == DefaultPerPage {
			q.PerPage = 0
		}
		if !reflect.DeepEqual(again, q) {
			t.Fatalf("got  %+v\nwant %+v", again, q)
		}
	})
}
