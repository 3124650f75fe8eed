package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// homeView is the first page: what is near and soon, and ways on.
type homeView struct {
	Area      string // what "near" means here; empty for everywhere
	Form      form
	Kinds     []choice
	Events    []row
	Offers    []row
	Needs     []row
	Hosted    []communityCard
	Learned   []communityCard
	MoreKnown int // communities beyond those shown
	Total     int
}

// communityCard is a community in a list.
type communityCard struct {
	Name    string
	Summary string
	URL     string
	Place   string
	Node    string
	Address string // @handle@host, to follow
}

// How many of each the first page shows.
const (
	homeEvents    = 4
	homeOthers    = 3
	homeLearned   = 8
	homeWithin    = 25.0 // km
	homeFewEvents = 1    // fewer near than that: show everywhere
)

func (w *Web) serveHome(rw http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	near, area := w.homeArea()
	v := homeView{Area: area, Form: w.emptyForm()}
	all, err := w.cfg.Search.Search(ctx, protocol.Query{PerPage: 1})
	if err != nil {
		return err
	}
	v.Total, v.Kinds = all.Total, kindChoices(all.Facets[search.FacetKind])
	events, err := w.soon(ctx, near)
	if err != nil {
		return err
	}
	if len(events) < homeFewEvents && near.Point != nil {
		near, v.Area = protocol.Query{}, ""
		if events, err = w.soon(ctx, near); err != nil {
			return err
		}
	}
	v.Events = events
	if v.Offers, err = w.ofKind(ctx, near, protocol.KindOffer); err != nil {
		return err
	}
	if v.Needs, err = w.ofKind(ctx, near, protocol.KindNeed); err != nil {
		return err
	}
	v.Hosted, v.Learned = w.communityCards()
	if len(v.Learned) > homeLearned {
		v.MoreKnown, v.Learned = len(v.Learned)-homeLearned, v.Learned[:homeLearned]
	}
	return w.render(rw, r, "home", page{Title: w.site().Name, Nav: "home", Canonical: w.cfg.Base + "/", Body: v,
		Description: "Find events, help, people, places and things near you, from this community and its neighbours."})
}

// homeArea is where the first hosted community that has a place is.
func (w *Web) homeArea() (near protocol.Query, area string) {
	for _, c := range w.cfg.Directory.Hosted() {
		lat, lon, ok := c.Place.Point()
		if !ok {
			continue
		}
		p := protocol.Point{Lat: lat, Lon: lon}
		near := strconv.FormatFloat(lat, 'f', -1, 64) + "," + strconv.FormatFloat(lon, 'f', -1, 64)
		return protocol.Query{Near: near, Point: &p, Within: homeWithin}, c.Place.Name
	}
	return protocol.Query{}, ""
}

func (w *Web) soon(ctx context.Context, near protocol.Query) ([]row, error) {
	q := near
	q.Kinds, q.Sort, q.From, q.PerPage = []protocol.Kind{protocol.KindEvent}, "date", w.cfg.Now().UTC(), homeEvents
	return w.rowsFor(ctx, q)
}

func (w *Web) ofKind(ctx context.Context, near protocol.Query, k protocol.Kind) ([]row, error) {
	q := near
	q.Kinds, q.PerPage = []protocol.Kind{k}, homeOthers
	return w.rowsFor(ctx, q)
}

func (w *Web) rowsFor(ctx context.Context, q protocol.Query) ([]row, error) {
	answer, err := w.cfg.Search.Search(ctx, q)
	rows := w.rowsOf(answer.Results)
	for i := range rows {
		rows[i].Away = "" // the heading says near what
	}
	return rows, err
}

func (w *Web) communityCards() (hosted, learned []communityCard) {
	for _, c := range w.cfg.Directory.Communities() {
		card := communityCard{Name: c.Name, Summary: clip(c.Summary, 160), URL: communityPath(c), Place: c.Place.Line(),
			Node: hostOf(c.Actor), Address: address(c)}
		if c.Hosted {
			hosted = append(hosted, card)
		} else {
			learned = append(learned, card)
		}
	}
	return hosted, learned
}

// address is what people of Mastodon and the like follow.
func address(c protocol.Community) string { return "@" + c.Handle + "@" + hostOf(c.Actor) }
