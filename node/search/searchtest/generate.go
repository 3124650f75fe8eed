package searchtest

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// Base is the moment around which the invented listings are dated.
func Base() time.Time { return time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC) }

// CID is the cid of an invented community: 52 characters of base32, as real
// ones have.
func CID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

// Communities is a fixed set of communities by cid.
type Communities map[string]protocol.Community

// Community implements [search.Communities].
func (c Communities) Community(cid string) (protocol.Community, bool) {
	found, ok := c[cid]
	return found, ok
}

// town is a real place; what happens there is invented.
type town struct {
	name     string
	lat, lon float64
	outward  string // first half of a postcode
	area     string // official code
}

func towns() []town {
	return []town{
		{"Bexleyheath", 51.456, 0.146, "DA6", "E09000004"}, {"Sidcup", 51.426, 0.103, "DA14", "E09000004"},
		{"Erith", 51.480, 0.178, "DA8", "E09000004"}, {"Welling", 51.463, 0.109, "DA16", "E09000004"},
		{"Woolwich", 51.491, 0.065, "SE18", "E09000011"}, {"Eltham", 51.451, 0.052, "SE9", "E09000011"},
		{"Croydon", 51.376, -0.098, "CR0", "E09000008"}, {"Bromley", 51.406, 0.014, "BR1", "E09000006"},
		{"Hackney", 51.545, -0.055, "E8", "E09000012"}, {"Brixton", 51.461, -0.115, "SW9", "E09000022"},
		{"Bristol", 51.454, -2.588, "BS1", "E06000023"}, {"Bath", 51.381, -2.359, "BA1", "E06000022"},
		{"Cardiff", 51.482, -3.179, "CF10", "W06000015"}, {"Newport", 51.588, -2.998, "NP20", "W06000022"},
		{"Swansea", 51.621, -3.944, "SA1", "W06000011"}, {"Exeter", 50.725, -3.527, "EX1", "E07000041"},
		{"Plymouth", 50.371, -4.142, "PL1", "E06000026"}, {"Southampton", 50.904, -1.404, "SO14", "E06000045"},
		{"Brighton", 50.823, -0.137, "BN1", "E06000043"}, {"Oxford", 51.752, -1.258, "OX1", "E07000178"},
		{"Cambridge", 52.205, 0.119, "CB2", "E07000008"}, {"Norwich", 52.630, 1.297, "NR1", "E07000148"},
		{"Ipswich", 52.057, 1.148, "IP1", "E07000202"}, {"Leicester", 52.637, -1.140, "LE1", "E06000016"},
		{"Nottingham", 52.955, -1.150, "NG1", "E06000018"}, {"Derby", 52.922, -1.476, "DE1", "E06000015"},
		{"Birmingham", 52.480, -1.903, "B3", "E08000025"}, {"Coventry", 52.407, -1.511, "CV1", "E08000026"},
		{"Stoke-on-Trent", 53.003, -2.180, "ST1", "E06000021"}, {"Manchester", 53.479, -2.245, "M2", "E08000003"},
		{"Salford", 53.488, -2.290, "M5", "E08000006"}, {"Bolton", 53.578, -2.429, "BL1", "E08000001"},
		{"Liverpool", 53.408, -2.991, "L1", "E08000012"}, {"Preston", 53.759, -2.699, "PR1", "E07000123"},
		{"Lancaster", 54.048, -2.801, "LA1", "E07000121"}, {"Leeds", 53.800, -1.549, "LS1", "E08000035"},
		{"Bradford", 53.795, -1.759, "BD1", "E08000032"}, {"Sheffield", 53.381, -1.470, "S1", "E08000039"},
		{"York", 53.960, -1.087, "YO1", "E06000014"}, {"Hull", 53.744, -0.332, "HU1", "E06000010"},
		{"Newcastle", 54.978, -1.614, "NE1", "E08000021"}, {"Sunderland", 54.906, -1.381, "SR1", "E08000024"},
		{"Carlisle", 54.892, -2.933, "CA3", "E06000063"}, {"Edinburgh", 55.953, -3.188, "EH1", "S12000036"},
		{"Glasgow", 55.864, -4.252, "G1", "S12000049"}, {"Dundee", 56.462, -2.971, "DD1", "S12000042"},
		{"Aberdeen", 57.150, -2.094, "AB10", "S12000033"}, {"Inverness", 57.478, -4.225, "IV1", "S12000017"},
		{"Belfast", 54.597, -5.930, "BT1", "N09000003"}, {"Derry", 54.997, -7.309, "BT48", "N09000005"},
	}
}

// CommunitiesOf returns the communities that [Listings] speaks of: one a town.
func CommunitiesOf() Communities {
	known := Communities{}
	for _, t := range towns() {
		name := t.name + " Neighbours Online"
		handle := strings.ReplaceAll(strings.ToLower(t.name), "-", "")
		host := handle + ".example"
		lat, lon := t.lat, t.lon
		known[CID(name)] = protocol.Community{
			CID: CID(name), Handle: handle, Name: name, Actor: "https://" + host + "/ap/c/" + handle,
			URL: "https://" + host + "/c/" + handle, Areas: []string{t.area},
			Place: &protocol.Place{Name: t.name, Latitude: &lat, Longitude: &lon},
		}
	}
	return known
}

// Listings invents n public, valid listings of all kinds in fifty towns, of
// about 70 words each; the same n and seed give the same ones. They are dated
// from three months before Base to nine after it.
func Listings(n int, seed uint64) []protocol.Listing {
	g := generator{Rand: rand.New(rand.NewPCG(seed, 0x77617970)), towns: towns()}
	all := make([]protocol.Listing, n)
	for i := range all {
		all[i] = g.listing()
	}
	return all
}

// Changes are the changes that bring listings into an index, each received
// from its community's node within the last 200 days.
func Changes(listings []protocol.Listing) []search.Change {
	known := CommunitiesOf()
	changes := make([]search.Change, len(listings))
	for i, l := range listings {
		node := strings.TrimPrefix(known[l.CID].Node(), "https://")
		changes[i] = search.Change{CID: l.CID, UID: l.UID, Doc: &search.Doc{
			Listing: l, Node: node, URL: "https://" + node + "/listings/" + l.UID, Object: "https://" + node + "/ap/o/" + l.UID,
			ConfirmedAt: Base().Add(-time.Duration(l.UID[0]+l.UID[1]) * 11 * time.Hour), Provenance: "received from " + node,
		}}
	}
	return changes
}

type generator struct {
	*rand.Rand
	towns []town
}

func (g *generator) pick(words ...string) string { return words[g.IntN(len(words))] }

func (g *generator) some(words []string, most int) []string {
	var out []string
	for _, i := range g.Perm(len(words))[:1+g.IntN(most)] {
		out = append(out, words[i])
	}
	return out
}

func keys(terms []protocol.Term) []string {
	out := make([]string, len(terms))
	for i, t := range terms {
		out[i] = t.Key
	}
	return out
}

func (g *generator) listing() protocol.Listing {
	// Squared, so that a few towns have much and most have little.
	t := g.towns[int(g.Float64()*g.Float64()*float64(len(g.towns)))]
	l := protocol.Listing{
		V: protocol.ListingVersion, CID: CID(t.name + " Neighbours Online"), UID: g.uid(), Version: 1, Salt: "AAAAAAAAAAAAAAAAAAAAAA",
		Language: "en", Visibility: protocol.VisibilityPublic, Areas: []string{t.area},
		Categories: g.some(keys(protocol.Categories()), 2), Topics: g.some(topics(), 3), Level: g.pick("everyone", "beginner", "intermediate"),
	}
	if g.IntN(2) == 0 {
		l.Audience = g.some([]string{"older-people", "charities", "parents", "job-seekers", "carers", "young-people", "newcomers"}, 2)
	}
	l.Kind = protocol.Kind(g.pick("event", "event", "event", "event", "offer", "offer", "need", "volunteer", "venue", "resource"))
	topic := strings.ReplaceAll(l.Topics[0], "-", " ")
	switch l.Kind {
	case protocol.KindEvent:
		g.event(&l, t, topic)
	case protocol.KindOffer:
		l.Title = g.pick("Help with ", "One-to-one support with ", "Learn about ", "Friendly advice on ") + topic
		l.Modes = g.some(keys(protocol.Modes()), 2)
	case protocol.KindNeed:
		l.Title = g.pick("Volunteers wanted for ", "A room needed for ", "We need a mentor for ", "Tablets wanted for ") + topic
		l.Seeks, l.Places = g.pick(keys(protocol.Seeks())...), 1+g.IntN(6)
	case protocol.KindVolunteer:
		l.Title = g.pick("Digital champion", "Mentor", "Volunteer", "Tablet tutor") + " for " + topic
		l.Modes = g.some([]string{"centre-drop-in", "home-visit", "phone", "online"}, 2)
		l.Availability = g.some(keys(protocol.Availabilities()), 3)
		l.Consent = &protocol.Consent{What: "being listed with a first name", Given: "2027-01-15", Until: protocol.Date(fmt.Sprintf("2027-%02d-28", 3+g.IntN(9)))}
	case protocol.KindVenue:
		l.Title = g.venue(t) + g.pick(" meeting room", " hall", " computer room")
		l.Features, l.Capacity = g.some([]string{"projector", "wifi", "kitchen", "hearing-loop", "laptops"}, 3), 6+g.IntN(80)
	case protocol.KindResource:
		l.SubKind = g.pick(keys(protocol.SubKinds())...)
		l.Title = g.pick("A short guide to ", "Checklist: ", "Template for ", "What we learned about ") + topic
		l.Links = []protocol.Link{{URL: "https://example.org/" + l.UID, Title: "Read it"}}
	}
	g.where(&l, t)
	if g.IntN(3) > 0 {
		l.Cost = &protocol.Cost{Free: true}
	}
	if g.IntN(2) == 0 {
		l.Accessibility = g.some([]string{"step-free", "hearing-loop", "large-print", "quiet-space", "bsl"}, 3)
	}
	l.Summary = g.pick("Bring your own device or use one of ours.", "All welcome, no question is too small.", "Small groups with a patient tutor.", "For people who run a small charity.")
	l.Description = g.prose(topic, t.name)
	return l
}

func (g *generator) uid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(g.UintN(256))
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}

func (g *generator) event(l *protocol.Listing, t town, topic string) {
	l.Title = strings.ToUpper(topic[:1]) + topic[1:] + g.pick(" drop-in", " workshop", " for beginners", " club", " coffee morning")
	l.Format = g.pick(keys(protocol.Formats())...)
	l.Modes = g.some([]string{"centre-drop-in", "centre-booked", "online"}, 1)
	l.Start = Base().AddDate(0, 0, g.IntN(365)-90).Add(time.Duration(g.IntN(20)) * 30 * time.Minute)
	l.End = l.Start.Add(time.Duration(2+g.IntN(5)) * 30 * time.Minute)
	l.Timezone = "Europe/London"
	switch g.IntN(6) {
	case 0:
		l.Recurrence = fmt.Sprintf("FREQ=WEEKLY;COUNT=%d", 4+g.IntN(40))
	case 1:
		l.Recurrence = g.pick("FREQ=MONTHLY", "FREQ=WEEKLY;INTERVAL=2", "FREQ=WEEKLY;UNTIL=20271220T000000Z")
	}
	if g.IntN(40) == 0 {
		l.Status = "cancelled"
	}
}

func (g *generator) venue(t town) string {
	return t.name + g.pick(" Central Library", " Community Centre", " Methodist Church", " Town Hall", " Family Hub")
}

// where gives a place to all that may have one.
func (g *generator) where(l *protocol.Listing, t town) {
	lat, lon := t.lat+g.NormFloat64()*0.03, t.lon+g.NormFloat64()*0.04
	for _, m := range l.Modes {
		if m == "home-visit" || m == "online" {
			return
		}
	}
	if l.Kind == protocol.KindVolunteer || l.Kind == protocol.KindResource {
		return
	}
	l.Place = &protocol.Place{
		Name: g.venue(t), Latitude: &lat, Longitude: &lon, Area: t.area,
		Address: &protocol.Address{StreetAddress: fmt.Sprintf("%d %s", 1+g.IntN(200), g.pick("High Street", "Station Road", "Church Lane", "Market Place")),
			AddressLocality: t.name, PostalCode: fmt.Sprintf("%s %d%c%c", t.outward, g.IntN(10), 'A'+rune(g.IntN(26)), 'A'+rune(g.IntN(26))), AddressCountry: "GB"},
	}
}

func topics() []string {
	return []string{"spreadsheets", "tablets", "smartphones", "email", "online-safety", "video-calls", "websites", "social-media",
		"fundraising", "online-banking", "nhs-app", "job-applications", "photo-editing", "podcasting", "databases", "accessibility",
		"cyber-security", "data-protection", "newsletters", "bookkeeping", "benefits-forms", "blue-badge", "housing-forms",
		"artificial-intelligence", "mapping", "family-history", "shopping-online", "volunteer-management", "video-editing", "coding"}
}

// prose is a description of about 50 words. "Help" and "digital" are in
// nearly all of them, as in life.
func (g *generator) prose(topic, town string) string {
	sentences := []string{
		"We help people in " + town + " who are new to " + topic + " and want to feel at ease with it.",
		"Our digital champions sit beside you and go at your pace, as often as you like.",
		"There is tea, and somebody to ask afterwards when you are back at home.",
		"Last year " + fmt.Sprint(20+g.IntN(400)) + " neighbours came and most of them have brought a friend since.",
		"Digital skills should be within reach for everyone, whatever their age or income.",
		"If you care for somebody, bring them along or ring us and we will find another way to help.",
		"Charities and clubs may send two people each; please tell us beforehand what you use today.",
		"We can lend laptops and a hotspot for a fortnight when you have none of your own.",
		"The session looks at " + g.pick(topics()...) + " and " + g.pick(topics()...) + ", with time to practise.",
		"Interpreters for " + g.pick("Polish", "Nepali", "Tamil", "Arabic", "Ukrainian", "British Sign Language") + " can be arranged with a week's notice.",
	}
	var b strings.Builder
	for _, i := range g.Perm(len(sentences))[:3] {
		b.WriteString(sentences[i] + " ")
	}
	return strings.TrimSpace(b.String())
}

// Query is a search to measure, with its name.
type Query struct {
	Name string
	protocol.Query
}

// Queries is the mix over which a driver's speed over [Listings] is measured.
func Queries() []Query {
	near := &protocol.Point{Lat: 51.456, Lon: 0.146}
	from := Base().AddDate(0, 1, 0)
	return []Query{
		{"two words", protocol.Query{Text: "spreadsheets beginners"}},
		{"very common word", protocol.Query{Text: "help"}},
		{"common word and facets", protocol.Query{Text: "digital", Kinds: []protocol.Kind{protocol.KindEvent}, Categories: []string{protocol.SkillsSupport}}},
		{"words near", protocol.Query{Text: "tablets", Point: near, Within: 10}},
		{"near by name", protocol.Query{Near: "Bexleyheath", Within: 15}},
		{"dates", protocol.Query{From: from, To: from.AddDate(0, 0, 14), Sort: "date"}},
		{"beginning of a word", protocol.Query{Text: "volu"}},
		{"half-typed word", protocol.Query{Text: "digital voluntee"}},
		{"synonym", protocol.Query{Text: "digital champion", Modes: []string{"home-visit"}}},
		{"phrase", protocol.Query{Text: `"at your pace"`}},
		{"unknown word", protocol.Query{Text: "spreadsheets xyzzy"}},
		{"everything, hundred a page", protocol.Query{PerPage: 100}},
		{"category and access", protocol.Query{Categories: []string{"quick-tips"}, Access: []string{"step-free"}, Free: true}},
		{"far page", protocol.Query{Text: "help", Page: 100}},
	}
}
