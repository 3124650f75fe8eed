package exchange

import (
	"reflect"

	"github.com/waypost-directory/waypost/protocol"
)

// fill gives a draft what its file left open. What one item is (title, times,
// uid) never comes from the defaults, and an online event is not put into the
// default room.
func (in *intake) fill(l *protocol.Listing) {
	kept := *l
	defaults := clone(in.opts.Defaults)
	if kept.Online != nil {
		defaults.Place = nil
	}
	to, from := reflect.ValueOf(l).Elem(), reflect.ValueOf(defaults)
	for i := range to.NumField() {
		if to.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
	l.UID, l.Title, l.Start, l.End, l.Recurrence = kept.UID, kept.Title, kept.Start, kept.End, kept.Recurrence
	l.V, l.CID, l.Version, l.Salt = 0, "", 0, ""
	if l.Start.IsZero() {
		l.Timezone = kept.Timezone
	}
	switch {
	case kept.Visibility != "":
	case l.Kind == protocol.KindVolunteer:
		l.Visibility = protocol.VisibilityLocal // never shown to others by a default
	case l.Visibility == "":
		l.Visibility = protocol.VisibilityPublic
	}
}

// clone copies a listing with everything it points to, so that drafts share
// nothing that a caller may change.
func clone(l protocol.Listing) protocol.Listing {
	v := reflect.ValueOf(&l).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		switch {
		case f.Kind() == reflect.Pointer && !f.IsNil():
			p := reflect.New(f.Type().Elem())
			p.Elem().Set(f.Elem())
			f.Set(p)
		case f.Kind() == reflect.Slice && !f.IsNil():
			f.Set(reflect.AppendSlice(reflect.MakeSlice(f.Type(), 0, f.Len()), f))
		case f.Kind() == reflect.Map && !f.IsNil():
			m := reflect.MakeMap(f.Type())
			for it := f.MapRange(); it.Next(); {
				m.SetMapIndex(it.Key(), it.Value())
			}
			f.Set(m)
		}
	}
	if l.Place == nil {
		return l
	}
	if a := l.Place.Address; a != nil {
		address := *a
		l.Place.Address = &address
	}
	if lat, lon, ok := l.Place.Point(); ok {
		l.Place.Latitude, l.Place.Longitude = &lat, &lon
	}
	return l
}
