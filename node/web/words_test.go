package web

import "testing"

func TestCapital_KeepsLettersAndSignsOfMoreThanOneByteWhole(t *testing.T) {
	for in, want := range map[string]string{"£45.00": "£45.00", "éclair": "Éclair", "tea": "Tea"} {
		if got := capital(in); got != want {
			t.Errorf("capital(%q) = %q, want %q", in, got, want)
		}
	}
}
