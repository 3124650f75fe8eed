package protocol

// Term is one word of a closed list: the key that travels on the wire and the
// words that people read.
type Term struct {
	Key    string `json:"key"`
	Label  string `json:"label"`
	Help   string `json:"help,omitempty"`   // one plain sentence
	Parent string `json:"parent,omitempty"` // key of the broader term, support categories only
}

// Kind says what a listing is. The six kinds are closed (docs/glossary.md).
type Kind string

// The six kinds of listing.
const (
	KindEvent     Kind = "event"
	KindOffer     Kind = "offer"
	KindNeed      Kind = "need"
	KindVolunteer Kind = "volunteer"
	KindVenue     Kind = "venue"
	KindResource  Kind = "resource"
)

// SkillsSupport is the parent of the four skills categories. People may search
// for it; a listing names one of its children (S2-02).
const SkillsSupport = "skills-support"

// Kinds lists the six kinds of listing in the order that pages show them.
func Kinds() []Term {
	return []Term{
		{Key: "event", Label: "Event", Help: "Something that happens at a time."},
		{Key: "offer", Label: "Offer of help", Help: "Help or skills that somebody offers."},
		{Key: "need", Label: "Need", Help: "Something that somebody is looking for."},
		{Key: "volunteer", Label: "Volunteer", Help: "Somebody who gives their time, such as a digital champion or a mentor."},
		{Key: "venue", Label: "Venue", Help: "A room or a place that people can use."},
		{Key: "resource", Label: "Resource", Help: "A tip, guide, template, recording, course or kit to lend."},
	}
}

// Categories lists the eight support categories (S2-01), each skills category
// under its parent (S2-02). The parent itself is not in the list.
func Categories() []Term {
	return []Term{
		{Key: "quick-tips", Label: "Quick tips", Help: "A template, a recommendation for a tool, a short answer."},
		{Key: "short-term-skills", Label: "Practical short-term skills", Help: "Learn one thing you need now.", Parent: SkillsSupport},
		{Key: "expansion", Label: "Expansion of possibility", Help: "See what else could be done.", Parent: SkillsSupport},
		{Key: "long-term-skills", Label: "Practical long-term skills", Help: "Build skills over months.", Parent: SkillsSupport},
		{Key: "hands-on", Label: "Hands-on support", Help: "Volunteers, tools, funding or agencies that do it with you.", Parent: SkillsSupport},
		{Key: "validation", Label: "Personal validation", Help: "Somebody to say that you are on the right track."},
		{Key: "risk-mitigation", Label: "Risk mitigation", Help: "Case studies and advice that take away some of the fear."},
		{Key: "perspectives", Label: "Unique perspectives", Help: "An honest answer from somebody who has been there."},
	}
}

// Modes lists the delivery modes (S1-04 to S1-07, S0-14).
func Modes() []Term {
	return []Term{
		{Key: "centre-drop-in", Label: "At a centre, drop in", Help: "Turn up, no booking."},
		{Key: "centre-booked", Label: "At a centre, by appointment", Help: "Arrange a time first."},
		{Key: "home-visit", Label: "Home visit", Help: "For people who cannot get to a centre."},
		{Key: "specialist-task", Label: "Specialist help with a task", Help: "Such as a blue badge or a housing form."},
		{Key: "specialist-group", Label: "Specialist help for a group", Help: "Such as people with a learning disability."},
		{Key: "online", Label: "Online, live", Help: "By video or a call over the internet."},
		{Key: "self-paced", Label: "Online, in your own time", Help: "A course or recording to follow when you like."},
		{Key: "phone", Label: "By phone", Help: "Somebody rings you, or you ring them."},
	}
}

// Formats lists the event formats (S2-28, S0-03).
func Formats() []Term {
	return []Term{
		{Key: "case-study-talk", Label: "Case-study talk"},
		{Key: "networking", Label: "Networking"},
		{Key: "workshop", Label: "Workshop"},
		{Key: "masterclass", Label: "Masterclass"},
		{Key: "formal-training", Label: "Formal training"},
		{Key: "mentoring", Label: "Mentoring"},
		{Key: "volunteer-matching", Label: "Volunteer matching"},
		{Key: "drop-in", Label: "Drop-in session"},
		{Key: "peer-circle", Label: "Peer circle"},
		{Key: "virtual-coffee", Label: "Virtual coffee or 1-to-1 call"},
		{Key: "podcast", Label: "Podcast"},
	}
}

// SubKinds lists what a resource can be.
func SubKinds() []Term {
	return []Term{
		{Key: "tip", Label: "Tip"},
		{Key: "template", Label: "Template"},
		{Key: "guide", Label: "Guide"},
		{Key: "case-study", Label: "Case study"},
		{Key: "recording", Label: "Recording"},
		{Key: "course", Label: "Course"},
		{Key: "kit-to-lend", Label: "Kit to lend"},
	}
}

// Seeks lists what a need can be for, and what partners have or need between
// themselves (S1-25, S2-31, S2-33).
func Seeks() []Term {
	return []Term{
		{Key: "space", Label: "A room to use"},
		{Key: "locations", Label: "Somewhere people already go"},
		{Key: "volunteers", Label: "Volunteers"},
		{Key: "induction", Label: "An induction process"},
		{Key: "templates", Label: "Templates"},
		{Key: "support", Label: "Support"},
		{Key: "funding", Label: "Funding"},
		{Key: "mentors", Label: "Mentors"},
	}
}

// Responsibilities lists who-does-what between partners (S1-17).
func Responsibilities() []Term {
	return []Term{
		{Key: "recruitment", Label: "Recruitment"},
		{Key: "induction", Label: "Induction"},
		{Key: "checks", Label: "Checks (DBS)"},
		{Key: "support", Label: "Ongoing support"},
		{Key: "matching", Label: "Matching learners to volunteers"},
	}
}

// Levels lists whom something is pitched at (S0-13).
func Levels() []Term {
	return []Term{
		{Key: "everyone", Label: "Everyone"},
		{Key: "beginner", Label: "Beginners"},
		{Key: "intermediate", Label: "Some experience"},
		{Key: "advanced", Label: "Advanced"},
		{Key: "practitioner", Label: "Practitioners"},
		{Key: "leader", Label: "Leaders"},
	}
}

// Statuses lists the states of an event (RFC 5545 STATUS and FEP-8a8e
// eventStatus, in lower case).
func Statuses() []Term {
	return []Term{
		{Key: "confirmed", Label: "Confirmed"},
		{Key: "tentative", Label: "Not confirmed yet"},
		{Key: "cancelled", Label: "Cancelled"},
		{Key: "postponed", Label: "Postponed"},
	}
}

// Visibilities lists who may see a listing (design: Privacy).
func Visibilities() []Term {
	return []Term{
		{Key: VisibilityPublic, Label: "Everyone"},
		{Key: VisibilityCoordinators, Label: "Co-ordinators of approved peers"},
		{Key: VisibilityLocal, Label: "This community only"},
	}
}

// The three visibilities. A volunteer's record is local unless it says more.
const (
	VisibilityPublic       = "public"
	VisibilityCoordinators = "coordinators"
	VisibilityLocal        = "local"
)

// Availabilities lists the 21 times of a week, in the words of the
// Volunteering Data standard: MondayMorning … SundayEvening (S1-21).
func Availabilities() []Term {
	days := []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	parts := []string{"Morning", "Afternoon", "Evening"}
	terms := make([]Term, 0, len(days)*len(parts))
	for _, d := range days {
		for _, p := range parts {
			terms = append(terms, Term{Key: d + p, Label: d + " " + lowerFirst(p)})
		}
	}
	return terms
}

func lowerFirst(s string) string {
	b := []byte(s)
	b[0] |= 0x20
	return string(b)
}

// Label returns the words for key in a list of terms, or key itself when it is
// not in the list.
func Label(terms []Term, key string) string {
	for _, t := range terms {
		if t.Key == key {
			return t.Label
		}
	}
	return key
}

// Has reports whether key is in a list of terms.
func Has(terms []Term, key string) bool {
	for _, t := range terms {
		if t.Key == key {
			return true
		}
	}
	return false
}
