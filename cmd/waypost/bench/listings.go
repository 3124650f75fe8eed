package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/waypost-directory/waypost/cmd/waypost/demo"
	"github.com/waypost-directory/waypost/protocol"
)

// town is a real place; what happens there is invented.
type town struct {
	name     string
	lat, lon float64
	area     string // official code
}

func towns() []town {
	return []town{
		{"Bexleyheath", 51.456, 0.146, "E09000004"}, {"Sidcup", 51.426, 0.103, "E09000004"}, {"Erith", 51.480, 0.178, "E09000004"},
		{"Woolwich", 51.491, 0.065, "E09000011"}, {"Croydon", 51.376, -0.098, "E09000008"}, {"Hackney", 51.545, -0.055, "E09000012"},
		{"Bristol", 51.454, -2.588, "E06000023"}, {"Cardiff", 51.482, -3.179, "W06000015"}, {"Exeter", 50.725, -3.527, "E07000041"},
		{"Norwich", 52.630, 1.297, "E07000148"}, {"Birmingham", 52.480, -1.903, "E08000025"}, {"Manchester", 53.479, -2.245, "E08000003"},
		{"Salford", 53.488, -2.290, "E08000006"}, {"Liverpool", 53.408, -2.991, "E08000012"}, {"Leeds", 53.800, -1.549, "E08000035"},
		{"Sheffield", 53.381, -1.470, "E08000039"}, {"Newcastle", 54.978, -1.614, "E08000021"}, {"Glasgow", 55.864, -4.252, "S12000049"},
		{"Edinburgh", 55.953, -3.188, "S12000036"}, {"Belfast", 54.597, -5.930, "N09000003"},
	}
}

func topics() []string {
	return []string{"spreadsheets", "tablets", "smartphones", "email", "online-safety", "video-calls", "websites", "social-media",
		"fundraising", "online-banking", "nhs-app", "job-applications", "photo-editing", "podcasting", "databases", "accessibility",
		"cyber-security", "data-protection", "newsletters", "bookkeeping", "benefits-forms", "blue-badge", "housing-forms",
		"artificial-intelligence", "mapping", "family-history", "online-shopping", "volunteer-management", "video-editing", "coding"}
}

// manyListings are n different public listings of all kinds: those of the
// demo, each again and again in other towns, on other days and about other
// topics. The same n gives the same ones but for their dates, which lie ahead.
func manyListings(n int) ([]protocol.Listing, error) {
	communities, err := demo.Communities(time.Now())
	if err != nil {
		return nil, err
	}
	var samples []protocol.Listing
	for _, c := range communities {
		samples = append(samples, c.Listings...)
	}
	g := rand.New(rand.NewPCG(1, 0x62656e6368))
	list := make([]protocol.Listing, n)
	for i := range list {
		list[i] = vary(g, samples[i%len(samples)])
	}
	return list, nil
}

// vary makes a listing another's.
func vary(g *rand.Rand, l protocol.Listing) protocol.Listing {
	at := towns()[g.IntN(len(towns()))]
	about := []string{topics()[g.IntN(len(topics()))], topics()[g.IntN(len(topics()))]}
	l.UID = randomUID(g)
	l.Title = clip(l.Title, 160) + " in " + at.name
	l.Description += fmt.Sprintf("\n\nWe meet in %s and look at %s and %s. Last year %d neighbours came, and most of them brought a friend.",
		at.name, words(about[0]), words(about[1]), 20+g.IntN(400))
	l.Areas = []string{at.area}
	if about[0] == about[1] {
		about = about[:1]
	}
	l.Topics = about
	l.Visibility = protocol.VisibilityPublic
	if l.Kind == protocol.KindVolunteer && l.Consent == nil {
		now := time.Now().UTC()
		l.Consent = &protocol.Consent{What: "being listed with a first name", Given: protocol.Date(now.Format(time.DateOnly)),
			Until: protocol.Date(now.AddDate(0, 6, 0).Format(time.DateOnly))}
	}
	if l.Place != nil && l.Place.Latitude != nil {
		lat, lon := at.lat+g.NormFloat64()*0.03, at.lon+g.NormFloat64()*0.04
		place := *l.Place
		place.Latitude, place.Longitude, place.Area, place.Address = &lat, &lon, at.area, nil
		l.Place = &place
	}
	if !l.Start.IsZero() && l.Recurrence == "" {
		later := time.Duration(g.IntN(200)) * 24 * time.Hour
		l.Start = l.Start.Add(later)
		if !l.End.IsZero() {
			l.End = l.End.Add(later)
		}
		l.ValidUntil = ""
	}
	return l
}

func randomUID(g *rand.Rand) string {
	var b [16]byte
	for i := range b {
		b[i] = byte(g.UintN(256))
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}

func words(topic string) string { return strings.ReplaceAll(topic, "-", " ") }

func clip(s string, most int) string {
	r := []rune(s)
	return string(r[:min(len(r), most)])
}

// wireSize is how many bytes a Create of the sample event in the wire format's
// examples has. What is posted to an inbox is as large, within wireSlack.
const (
	wireSize  = 10_268
	wireSlack = 100
)

// meetings are n events with a description of so many words.
func meetings(n, size int) []protocol.Listing {
	g := rand.New(rand.NewPCG(2, 0x62656e6368))
	start := time.Now().UTC().Truncate(time.Hour).AddDate(0, 0, 30)
	list := make([]protocol.Listing, n)
	for i := range list {
		at := towns()[g.IntN(len(towns()))]
		lat, lon := at.lat, at.lon
		list[i] = protocol.Listing{
			Kind: protocol.KindEvent, Title: "Repair café in " + at.name, Summary: "Bring something broken and mend it with us.",
			Description: prose(g, size), Language: "en", Categories: []string{"hands-on"}, Modes: []string{"centre-drop-in"}, Format: "drop-in",
			Topics: []string{topics()[g.IntN(len(topics()))]}, Audience: []string{"older-people"}, Level: "everyone",
			Start: start.Add(time.Duration(i) * time.Hour), End: start.Add(time.Duration(i+3) * time.Hour), Timezone: "Europe/London", Status: "confirmed",
			Place: &protocol.Place{Name: "The Old Mill hall", Latitude: &lat, Longitude: &lon, Area: at.area,
				Address: &protocol.Address{StreetAddress: "12 Mill Lane", AddressLocality: at.name, AddressCountry: "GB"}},
			Areas: []string{at.area}, Capacity: 40, Cost: &protocol.Cost{Free: true}, Accessibility: []string{"step-free"},
			Tags: []string{"RepairCafe", at.name}, UID: randomUID(g), Visibility: protocol.VisibilityPublic,
		}
	}
	return list
}

// prose is text of exactly so many letters.
func prose(g *rand.Rand, size int) string {
	vocabulary := strings.Fields(`we mend toasters lamps bicycles radios clothes and old computers together with patient neighbours who bring
		tools tea biscuits advice on safety batteries passwords updates printers cables screens keyboards every month at the hall by the river`)
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(vocabulary[g.IntN(len(vocabulary))])
		b.WriteByte(' ')
	}
	text := []byte(b.String()[:size])
	if size > 0 {
		text[size-1] = '.'
	}
	return string(text)
}
