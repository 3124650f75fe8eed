package exchange

import "strings"

// windowsZone returns the IANA name for a time zone as Windows, Outlook and
// Exchange name it, or "". The pairs are those of Unicode CLDR's
// windowsZones.xml (territory 001) for zones that our users' calendars carry;
// other names fall back to the file's own offsets.
func windowsZone(tzid string) string {
	switch strings.TrimSpace(tzid) {
	case "UTC", "Coordinated Universal Time", "(UTC) Coordinated Universal Time", "tzone://Microsoft/Utc":
		return "Etc/UTC"
	case "GMT Standard Time", "(UTC+00:00) Dublin, Edinburgh, Lisbon, London", "(UTC) Dublin, Edinburgh, Lisbon, London",
		"(GMT) Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London", "GMT", "BST", "Greenwich Mean Time":
		return "Europe/London"
	case "Greenwich Standard Time":
		return "Atlantic/Reykjavik"
	case "W. Europe Standard Time", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna":
		return "Europe/Berlin"
	case "Romance Standard Time", "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris":
		return "Europe/Paris"
	case "Central Europe Standard Time", "(UTC+01:00) Belgrade, Bratislava, Budapest, Ljubljana, Prague":
		return "Europe/Budapest"
	case "Central European Standard Time", "(UTC+01:00) Sarajevo, Skopje, Warsaw, Zagreb":
		return "Europe/Warsaw"
	case "GTB Standard Time":
		return "Europe/Bucharest"
	case "FLE Standard Time", "(UTC+02:00) Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius":
		return "Europe/Kyiv"
	case "E. Europe Standard Time":
		return "Europe/Chisinau"
	case "Turkey Standard Time":
		return "Europe/Istanbul"
	case "Russian Standard Time":
		return "Europe/Moscow"
	case "Morocco Standard Time":
		return "Africa/Casablanca"
	case "W. Central Africa Standard Time":
		return "Africa/Lagos"
	case "South Africa Standard Time":
		return "Africa/Johannesburg"
	case "E. Africa Standard Time":
		return "Africa/Nairobi"
	case "Egypt Standard Time":
		return "Africa/Cairo"
	case "Israel Standard Time":
		return "Asia/Jerusalem"
	case "Arab Standard Time":
		return "Asia/Riyadh"
	case "Arabian Standard Time":
		return "Asia/Dubai"
	case "Pakistan Standard Time":
		return "Asia/Karachi"
	case "India Standard Time":
		return "Asia/Kolkata"
	case "Bangladesh Standard Time":
		return "Asia/Dhaka"
	case "SE Asia Standard Time":
		return "Asia/Bangkok"
	case "China Standard Time":
		return "Asia/Shanghai"
	case "Singapore Standard Time":
		return "Asia/Singapore"
	case "Tokyo Standard Time":
		return "Asia/Tokyo"
	case "Korea Standard Time":
		return "Asia/Seoul"
	case "AUS Eastern Standard Time":
		return "Australia/Sydney"
	case "E. Australia Standard Time":
		return "Australia/Brisbane"
	case "W. Australia Standard Time":
		return "Australia/Perth"
	case "New Zealand Standard Time":
		return "Pacific/Auckland"
	case "Azores Standard Time":
		return "Atlantic/Azores"
	case "Cape Verde Standard Time":
		return "Atlantic/Cape_Verde"
	case "Newfoundland Standard Time":
		return "America/St_Johns"
	case "Atlantic Standard Time":
		return "America/Halifax"
	case "Eastern Standard Time", "(UTC-05:00) Eastern Time (US & Canada)":
		return "America/New_York"
	case "Central Standard Time", "(UTC-06:00) Central Time (US & Canada)":
		return "America/Chicago"
	case "Mountain Standard Time", "(UTC-07:00) Mountain Time (US & Canada)":
		return "America/Denver"
	case "Pacific Standard Time", "(UTC-08:00) Pacific Time (US & Canada)":
		return "America/Los_Angeles"
	case "E. South America Standard Time":
		return "America/Sao_Paulo"
	}
	return ""
}
