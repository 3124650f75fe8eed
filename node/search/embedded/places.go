package embedded

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

const earthRadius = 6371.0 // km

// kilometres is the distance between two points on a sphere (haversine).
func kilometres(a, b protocol.Point) float64 {
	const degree = math.Pi / 180
	sinLat, sinLon := math.Sin((b.Lat-a.Lat)*degree/2), math.Sin((b.Lon-a.Lon)*degree/2)
	h := sinLat*sinLat + math.Cos(a.Lat*degree)*math.Cos(b.Lat*degree)*sinLon*sinLon
	return 2 * earthRadius * math.Asin(math.Min(1, math.Sqrt(h)))
}

// placeNames are the names under which a listing's point may be looked up:
// venue, town, region, postcode and its first half.
func placeNames(p *protocol.Place) []string {
	names := []string{search.Fold(p.Name)}
	if town, region, ok := strings.Cut(p.Name, ","); ok { // "Bexley, London"
		names = append(names, search.Fold(town), search.Fold(region))
	}
	if a := p.Address; a != nil {
		names = append(names, search.Fold(a.AddressLocality), search.Fold(a.AddressRegion))
		if code := squeeze(a.PostalCode); code != "" {
			names = append(names, code, outward(code))
		}
	}
	return names
}

func squeeze(postcode string) string { return strings.ReplaceAll(search.Fold(postcode), " ", "") }

// outward is the first half of a British postcode without spaces, such as da6
// of da67hj; other texts are returned as they are.
func outward(code string) string {
	n := len(code) - 3
	if n < 2 || n > 4 || !digit(code[n]) || digit(code[n+1]) || digit(code[n+2]) {
		return code
	}
	return code[:n]
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// Place finds a place by name among the communities and the listings that
// this index knows: where most of those with that name are. It serves until
// there is a gazetteer to ask.
func (x *Index) Place(ctx context.Context, name string) (protocol.Point, bool) {
	if x.config.Places != nil {
		if p, ok := x.config.Places.Place(ctx, name); ok {
			return p, true
		}
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.place(name)
}

// place is Place among what the index knows, under mu.
func (x *Index) place(name string) (protocol.Point, bool) {
	full := search.Fold(name)
	if full == "" {
		return protocol.Point{}, false
	}
	code := squeeze(name)
	tries := []string{full, code, outward(code)}
	if town, _, ok := strings.Cut(name, ","); ok {
		tries = append(tries, search.Fold(town))
	}
	for _, try := range slices.Compact(tries) {
		if p, ok := middle(x.communityPoints(try)); ok {
			return p, true
		}
		if p, ok := middle(x.listingPoints(func(word string) bool { return word == placeWord+try })); ok {
			return p, true
		}
	}
	return middle(x.listingPoints(func(word string) bool { return strings.HasPrefix(word, placeWord+full+" ") }))
}

// communityPoints are where the communities are whose place has that name.
// It asks for every community with listings here, so it is only as fast as
// config.Communities.
func (x *Index) communityPoints(name string) (points []protocol.Point) {
	if x.config.Communities == nil {
		return nil
	}
	for _, cid := range x.columns.cids.texts {
		c, ok := x.config.Communities.Community(cid)
		if !ok {
			continue
		}
		if lat, lon, ok := c.Place.Point(); ok && slices.Contains(placeNames(c.Place), name) {
			points = append(points, protocol.Point{Lat: lat, Lon: lon})
		}
	}
	return points
}

// listingPoints are the points of listings with a place of such a name.
func (x *Index) listingPoints(is func(word string) bool) (points []protocol.Point) {
	wanted := map[uint32]bool{}
	for n, w := range x.columns.words.texts {
		if is(w) {
			wanted[uint32(n)] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	for i := range x.columns.rows {
		r := &x.columns.rows[i]
		if r.Kind == 0 || r.Flags&flagNearby != 0 || r.Lat != r.Lat {
			continue
		}
		if slices.ContainsFunc(r.words, func(w uint32) bool { return wanted[w] }) {
			points = append(points, protocol.Point{Lat: float64(r.Lat), Lon: float64(r.Lon)})
		}
	}
	return points
}

// middle is the middle of the largest group of points that lie together.
// Names occur more than once (Newport), and one listing with a slip in its
// coordinates must not move a town.
func middle(points []protocol.Point) (protocol.Point, bool) {
	const together, most = 15.0, 100 // km; points looked at
	if len(points) == 0 {
		return protocol.Point{}, false
	}
	if step := len(points) / most; step > 1 {
		sample := make([]protocol.Point, 0, most+1)
		for i := 0; i < len(points); i += step {
			sample = append(sample, points[i])
		}
		points = sample
	}
	var best protocol.Point
	bestCount := 0
	for _, a := range points {
		var sum protocol.Point
		n := 0
		for _, b := range points {
			if kilometres(a, b) <= together {
				sum.Lat, sum.Lon, n = sum.Lat+b.Lat, sum.Lon+b.Lon, n+1
			}
		}
		if n > bestCount {
			best, bestCount = protocol.Point{Lat: sum.Lat / float64(n), Lon: sum.Lon / float64(n)}, n
		}
	}
	return best, true
}
