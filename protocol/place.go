package protocol

// Place is where something happens: a point, or an area, never a person's
// home. Home visits carry an area and no place (S1-05).
type Place struct {
	Name      string   `json:"name,omitempty"`
	Address   *Address `json:"address,omitempty"`
	Latitude  *float64 `json:"latitude,omitempty"`  // WGS 84 degrees, −90 to 90
	Longitude *float64 `json:"longitude,omitempty"` // WGS 84 degrees, −180 to 180
	Area      string   `json:"area,omitempty"`      // official code, e.g. ONS GSS "E09000004"
}

// Address is a postal address in schema.org's PostalAddress words.
type Address struct {
	StreetAddress   string `json:"streetAddress,omitempty"`
	AddressLocality string `json:"addressLocality,omitempty"`
	AddressRegion   string `json:"addressRegion,omitempty"`
	PostalCode      string `json:"postalCode,omitempty"`
	AddressCountry  string `json:"addressCountry,omitempty"` // ISO 3166-1 alpha-2
}

// Point returns the place's coordinates in degrees, and false when it has none.
func (p *Place) Point() (lat, lon float64, ok bool) {
	if p == nil || p.Latitude == nil || p.Longitude == nil {
		return 0, 0, false
	}
	return *p.Latitude, *p.Longitude, true
}

// Line returns the place in one line for people: name, street, town, postcode.
func (p *Place) Line() string {
	if p == nil {
		return ""
	}
	line := p.Name
	if p.Address == nil {
		return line
	}
	for _, part := range []string{p.Address.StreetAddress, p.Address.AddressLocality, p.Address.PostalCode} {
		switch {
		case part == "" || part == line:
		case line == "":
			line = part
		default:
			line += ", " + part
		}
	}
	return line
}
