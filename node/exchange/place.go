package exchange

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/waypost-directory/waypost/protocol"
)

var (
	ukPostcode = regexp.MustCompile(`(?i)\b([A-Z]{1,2}[0-9][A-Z0-9]?) ?([0-9][ABD-HJLNP-UW-Z]{2})\b`)
	ukEnding   = regexp.MustCompile(`(?i)[\s,]+(?:UK|U\.K\.|United Kingdom|Great Britain|England|Scotland|Wales|Northern Ireland)\s*$`)
	webAddress = regexp.MustCompile(`https?://[^\s<>"]{3,}`)
)

// meansOnline reports whether a location is a word for "on the internet".
func meansOnline(s string) bool {
	switch squash(s) {
	case "online", "onlineevent", "virtual", "virtualevent", "webinar", "zoom", "zoommeeting", "jitsi",
		"googlemeet", "teams", "microsoftteams", "microsoftteamsmeeting":
		return true
	}
	return false
}

// location splits the one line that calendars have for "where" into a place
// and an online address. A web address in it is where to join; a UK postcode
// is taken out when there plainly is one.
func location(s string) (*protocol.Place, *protocol.Online) {
	var online *protocol.Online
	if found := webAddress.FindString(s); found != "" {
		online = &protocol.Online{URL: strings.TrimRight(found, ".,;)")}
		s = strings.ReplaceAll(s, found, " ")
	}
	s = strings.Trim(tidyLine(strings.ReplaceAll(s, "\n", ", ")), " ,;-–|")
	if meansOnline(s) {
		if online == nil {
			online = &protocol.Online{}
		}
		online.Name = s
		return nil, online
	}
	if s == "" {
		return nil, online
	}
	return postalPlace(s), online
}

func postalPlace(s string) *protocol.Place {
	p := &protocol.Place{}
	if name, address, ok := strings.Cut(s, "("); ok && !strings.Contains(address, "(") {
		s = name + ", " + strings.Replace(address, ")", "", 1) // Meetup: "Hall (street, town)"
	}
	s = joinCommas(ukEnding.ReplaceAllString(s, ""))
	if all := ukPostcode.FindAllStringSubmatchIndex(s, -1); len(all) > 0 {
		m := all[len(all)-1]
		p.Address = &protocol.Address{PostalCode: strings.ToUpper(s[m[2]:m[3]] + " " + s[m[4]:m[5]]), AddressCountry: "GB"}
		s = joinCommas(ukEnding.ReplaceAllString(joinCommas(s[:m[0]]+","+s[m[1]:]), ""))
	}
	p.Name = cut(s, maxName)
	return p
}

// joinCommas tidies a list of address parts: no empty part, none twice.
func joinCommas(s string) string {
	var parts []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// coordinates reads RFC 5545 GEO ("51.45;0.14") and geo: URIs ("51.45,0.14").
// 0;0 lies in the Gulf of Guinea and is what programs write for "unknown".
func coordinates(s string) (lat, lon *float64, ok bool) {
	north, east, found := strings.Cut(strings.ReplaceAll(strings.TrimSpace(s), ",", ";"), ";")
	east, _, _ = strings.Cut(east, ";")
	y, errY := strconv.ParseFloat(strings.TrimSpace(north), 64)
	x, errX := strconv.ParseFloat(strings.TrimSpace(east), 64)
	if !found || errY != nil || errX != nil || !(y >= -90 && y <= 90) || !(x >= -180 && x <= 180) || y == 0 && x == 0 {
		return nil, nil, false
	}
	return &y, &x, true
}
