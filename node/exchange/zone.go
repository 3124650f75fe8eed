package exchange

import (
	"fmt"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// zone is where a time of the file is local.
type zone struct {
	loc  *time.Location
	name string // IANA name for Listing.Timezone
}

// zones resolves the TZIDs of one file, each once.
type zones struct {
	now         time.Time
	fallback    zone
	definitions map[string]*component // VTIMEZONE by TZID
	known       map[string]zone
	unknown     map[string]error
}

func newZones(now time.Time, fallback zone) *zones {
	return &zones{now: now, fallback: fallback, definitions: map[string]*component{}, known: map[string]zone{}, unknown: map[string]error{}}
}

// ianaZone loads a zone of the IANA database. The names "" and "Local" would
// mean UTC and this machine, which no file can know.
func ianaZone(name string) (zone, bool) {
	if name == "" || name == "Local" || len(name) > 64 {
		return zone{}, false
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return zone{}, false
	}
	return zone{loc: loc, name: name}, true
}

// resolve finds the zone that a TZID stands for: an IANA name, with or without
// a vendor's prefix; what the VTIMEZONE says it is; the name that Windows uses;
// else the VTIMEZONE's own offsets.
func (z *zones) resolve(tzid string) (zone, error) {
	tzid = strings.Trim(strings.TrimSpace(tzid), `"`)
	if tzid == "" {
		return z.fallback, nil
	}
	if found, ok := z.known[tzid]; ok {
		return found, nil
	}
	if err, ok := z.unknown[tzid]; ok {
		return zone{}, err
	}
	found, err := z.look(tzid)
	if err != nil {
		z.unknown[tzid] = err
		return zone{}, err
	}
	z.known[tzid] = found
	return found, nil
}

func (z *zones) look(tzid string) (zone, error) {
	if found, ok := ianaZone(tzid); ok {
		return found, nil
	}
	// "/freeassociation.sourceforge.net/Europe/London", "/citadel.org/20210210_1/Europe/London"
	if parts := strings.Split(tzid, "/"); len(parts) > 2 && len(parts) < 10 {
		for i := 1; i < len(parts)-1; i++ {
			if found, ok := ianaZone(strings.Join(parts[i:], "/")); ok {
				return found, nil
			}
		}
	}
	definition := z.definitions[tzid]
	if definition != nil {
		if found, ok := ianaZone(definition.value("X-LIC-LOCATION")); ok {
			return found, nil
		}
	}
	if found, ok := ianaZone(windowsZone(tzid)); ok {
		return found, nil
	}
	if definition == nil {
		return zone{}, fmt.Errorf("the time zone %q is not known and the file does not define it; set the event's time zone to one such as Europe/London and export again", clip(tzid))
	}
	return z.fromOffsets(tzid, definition)
}

// onset is one STANDARD or DAYLIGHT block: from a local time on, which offset
// follows which.
type onset struct {
	local    time.Time // the first change, as if it were UTC
	from, to int       // seconds east of UTC
	rule     *rrule.ROption
}

// fromOffsets reads a VTIMEZONE that names no known zone. One that never
// changes is taken as it stands; one that changes yearly must change as a
// known zone does, since a listing's time zone is an IANA name.
func (z *zones) fromOffsets(tzid string, definition *component) (zone, error) {
	var onsets []onset
	for _, child := range definition.children {
		if o, ok := readOnset(child); ok {
			onsets = append(onsets, o)
		}
	}
	var yearly []onset
	latest := -1
	for i, o := range onsets {
		if o.rule != nil && (o.rule.Until.IsZero() || o.rule.Until.After(z.now)) {
			yearly = append(yearly, o)
		}
		if latest < 0 || o.local.After(onsets[latest].local) {
			latest = i
		}
	}
	switch {
	case latest < 0:
		return zone{}, fmt.Errorf("the file defines the time zone %q without offsets; set the event's time zone to one such as Europe/London and export again", clip(tzid))
	case len(yearly) == 0 && (len(onsets) == 1 || onsets[latest].local.Before(z.now.AddDate(-1, 0, 0))):
		return zone{loc: time.FixedZone(tzid, onsets[latest].to), name: z.fallback.name}, nil
	}
	for _, name := range []string{
		z.fallback.name, "Europe/London", "Europe/Berlin", "Europe/Athens", "Atlantic/Azores",
		"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Halifax", "Australia/Sydney", "Pacific/Auckland",
	} {
		if candidate, ok := ianaZone(name); ok && len(yearly) > 1 && z.changesAs(candidate, yearly) {
			return candidate, nil
		}
	}
	return zone{}, fmt.Errorf("the time zone %q changes its clocks as no zone that we know; set the event's time zone to one such as Europe/London and export again", clip(tzid))
}

func readOnset(c *component) (onset, bool) {
	local, err := time.Parse("20060102T150405", strings.TrimSuffix(c.value("DTSTART"), "Z"))
	from, okFrom := offsetSeconds(c.value("TZOFFSETFROM"))
	to, okTo := offsetSeconds(c.value("TZOFFSETTO"))
	if err != nil || !okFrom || !okTo {
		return onset{}, false
	}
	o := onset{local: local, from: from, to: to}
	if text := c.value("RRULE"); text != "" {
		if rule, err := readRule(text); err == nil && rule.opt.Freq == rrule.YEARLY {
			o.rule = &rule.opt
		}
	}
	return o, true
}

// offsetSeconds reads a UTC offset such as +0100 (RFC 5545 §3.3.14).
func offsetSeconds(s string) (int, bool) {
	for _, layout := range []string{"-0700", "-070000"} {
		if t, err := time.Parse(layout, s); err == nil {
			_, seconds := t.Zone()
			return seconds, true
		}
	}
	return 0, false
}

// changesAs reports whether a known zone makes the same changes this year.
func (z *zones) changesAs(candidate zone, yearly []onset) bool {
	year := time.Date(z.now.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	for _, o := range yearly {
		budget := 5_000
		dates, err := rule{opt: *o.rule}.expand(span{start: o.local, from: year, to: year.AddDate(1, 0, 0), limit: 2}, &budget)
		if err != nil || len(dates.starts) != 1 {
			return false
		}
		change := dates.starts[0].Add(-time.Duration(o.from) * time.Second)
		_, before := change.Add(-time.Second).In(candidate.loc).Zone()
		_, after := change.In(candidate.loc).Zone()
		if before != o.from || after != o.to {
			return false
		}
	}
	return true
}
