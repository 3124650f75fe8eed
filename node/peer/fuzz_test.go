package peer

import (
	"testing"

	"github.com/waypost-directory/waypost/protocol"
)

func FuzzReadDiscovery(f *testing.F) {
	f.Add([]byte(`{"v":1,"application":"https://a.example/ap/relay","communities":[{"cid":"` +
		`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","actor":"https://a.example/ap/a/x","name":"X","hosted":true}]}`))
	f.Add([]byte(`{"v":1,"application":"https://a.example/ap/relay","communities":[{"cid":"x","actor":"https://b.example/"}]}`))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := readDiscovery(raw, "https://a.example")
		if err != nil {
			return
		}
		if len(doc.Communities) > maxCommunities {
			t.Fatalf("%d communities", len(doc.Communities))
		}
		for _, c := range doc.Communities {
			if protocol.Origin(c.Actor) != "https://a.example" || !protocol.ValidCID(c.CID) {
				t.Fatalf("took %+v", c)
			}
		}
	})
}

func FuzzReadFeed(f *testing.F) {
	f.Add([]byte(`{"cid":"x","next":3,"more":true,"rows":[{"key":"k","seq":3,"body":{"type":"Note"}}]}`))
	f.Add([]byte(`{"rows":[{"seq":-1}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		page, err := readFeed(raw)
		if err == nil && len(page.Rows) > maxRowsAPage {
			t.Fatalf("%d rows", len(page.Rows))
		}
	})
}
