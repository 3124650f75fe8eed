package vocab_test

import (
	"html"
	"strings"
	"sync"
	"testing"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

func TestRenderer_KeepsOnlyHarmlessHTML(t *testing.T) {
	const rel = ` rel="nofollow noreferrer"`
	cases := []struct{ name, in, want string }{
		{"words", "Bring **tea** and *cake*, ~~not~~ `code`", "<p>Bring <strong>tea</strong> and <em>cake</em>, <del>not</del> <code>code</code></p>"},
		{"list", "- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"},
		{"link", "[us](https://a.example/?q=1&r=2)", `<p><a href="https://a.example/?q=1&amp;r=2"` + rel + `>us</a></p>`},
		{"bare address", "see https://a.example now", `<p>see <a href="https://a.example"` + rel + `>https://a.example</a> now</p>`},
		{"e-mail", "<tea@a.example>", `<p><a href="mailto:tea@a.example"` + rel + `>tea@a.example</a></p>`},
		{"heading", "# Title", "Title"},
		{"ampersand", "tea & cake < 3", "<p>tea &amp; cake &lt; 3</p>"},
		{"empty", " \n\t", ""},

		{"script", "a <script>alert(1)</script> b", "<p>a alert(1) b</p>"},
		{"script block", "<script>\nalert(1)\n</script>", ""},
		{"onclick", `<a href="https://a.example" onclick="alert(1)">x</a>`, "<p>x</p>"},
		{"picture", `![x](https://a.example/x.png)`, "<p></p>"},
		{"picture with onerror", `<img src=x onerror=alert(1)>`, ""},
		{"style", `<p style="position:fixed">x</p>`, ""},
		{"style element", "x <style>p{display:none}</style>", "<p>x p{display:none}</p>"},
		{"svg", `<svg onload=alert(1)><a href="javascript:alert(1)">`, "<p></p>"},
		{"frame", `<iframe src="https://a.example"></iframe>`, ""},
		{"form", `<form action="https://a.example"><input name=pw>`, ""},
		{"comment", "a <!-- b --> c", "<p>a  c</p>"},
		{"CDATA", "a <![CDATA[<script>]]> c", "<p>a  c</p>"},
		{"javascript link", "[x](javascript:alert(1))", "<p>x</p>"},
		{"JavaScript link in disguise", "[x](JaVa&#115;cript:alert(1))", "<p>x</p>"},
		{"javascript link with a tab", "[x](<java\tscript:alert(1)>)", "<p>x</p>"},
		{"javascript autolink", "<javascript:alert(1)>", "<p>javascript:alert(1)</p>"},
		{"data link", "[x](data:text/html;base64,PHNjcmlwdD4=)", "<p>x</p>"},
		{"vbscript link", "[x](vbscript:msgbox(1))", "<p>x</p>"},
		{"relative link", "[x](/admin)", "<p>x</p>"},
		{"link without scheme", "[x](//evil.example)", "<p>x</p>"},
		{"link by reference", "[x][1]\n\n[1]: javascript:alert(1)", "<p>x</p>"},
		{"attribute in a title", `[x](https://a.example "q\" onclick=\"alert(1)")`, `<p><a href="https://a.example"` + rel + `>x</a></p>`},
		{"attribute in an address", `[x](https://a.example/"onclick="alert(1))`, `<p><a href="https://a.example/%22onclick=%22alert(1)"` + rel + `>x</a></p>`},
		{"markup in a link's text", "[<b onclick=x>y</b>](https://a.example)", `<p><a href="https://a.example"` + rel + `>y</a></p>`},
		{"markup in code", "`<script>`", "<p><code>&lt;script&gt;</code></p>"},
		{"entities", "&lt;script&gt;alert(1)&lt;/script&gt;", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"},
		{"language of a fence", "```\"onclick=alert(1)\nx\n```", "<pre><code>x\n</code></pre>"},
	}
	r := vocab.NewRenderer()
	for _, c := range cases {
		if got := r.HTML(c.in); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// A stranger's description is rendered at each look at a page: text made to
// cost much must cost little, so it stays as it was written.
func TestRenderer_IsNotTiedInKnots(t *testing.T) {
	r := vocab.NewRenderer()
	for _, knot := range []string{">", "> ", "- > ", "1. ", "1) ", "+ ", "- ", "a\n> - 2. > - 3. > - 4. > - 5. > - 6. > - 7. > - 8. > \n", "[a](", "[", "!["} {
		in := strings.Repeat(knot, 20_000/len(knot))
		if got, want := r.HTML(in), "<p>"+html.EscapeString(in)+"</p>"; got != want {
			t.Errorf("%q over and over is rendered: %.100s", knot, got)
		}
	}
	for _, harmless := range []string{"*a ", "*a_b ", "`a", "<a ", "www.a", "a@", "~~a ", "&", "- a\n", "> a\n", "-", "a\n\n"} {
		in := strings.Repeat(harmless, 20_000/len(harmless))
		if out := r.HTML(in); len(out) > 15*len(in) {
			t.Errorf("%q over and over becomes %d bytes", harmless, len(out))
		}
	}
	if got, want := r.HTML("1. a\n   - b\n     > c\n\n"+strings.Repeat("-", 80)), "<blockquote>"; !strings.Contains(got, want) {
		t.Errorf("an ordinary list is not rendered: %s", got)
	}
}

func TestRenderer_IsSharedByManyAtOnce(t *testing.T) {
	r := vocab.NewRenderer()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, want := r.HTML("**a** <b>"), "<p><strong>a</strong> </p>"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	wg.Wait()
}

func TestListingObject_ANoteShowsAllThatAReaderSees(t *testing.T) {
	cases := map[string][]string{
		"offer":              {"<p><strong>Offered: Bike maintenance lessons</strong></p>", `<p><a href="https://thornmere.example/listings/3f1c0e52-6a7b-4c8d-9e0f-112233445566">thornmere.example/listings/3f1c0e52-6a7b-4c8d-9e0f-112233445566</a></p>`, `<p><a href="https://thornmere.example/search?q=SkillShare" class="mention hashtag" rel="tag">#<span>SkillShare</span></a></p>`},
		"offer at a place":   {"<p>Central Library, 1 Long Lane, Bexleyheath, DA6 7HJ · free</p>"},
		"need":               {"<strong>Needed: Two wheelbarrows</strong>", "<p>Sat 6 Nov 2027, 18:30–21:30 (Europe/London)</p>"},
		"need of volunteers": {"<strong>Volunteers wanted: Food bank drivers</strong>"},
		"volunteer, public":  {"<strong>Volunteer: Ash</strong>"},
		"venue":              {"<strong>Venue: The Old Forge hall</strong>", "· £12.00 per hour</p>"},
		"resource":           {"<strong>Template: Budget template</strong>"},
		"resource, kit":      {"<strong>To borrow: Portable PA</strong>", "· deposit £20.00</p>"},
		"resource, plain":    {"<strong>A good idea</strong>"},
	}
	for name, want := range cases {
		got := str(decode(t, write(t, shapes()[name]))["content"])
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s:\n got %s\nwant %s", name, got, part)
			}
		}
	}
}

func TestListingObject_EscapesWhatPeopleWrote(t *testing.T) {
	l := wire(protocol.Listing{Kind: "need", Title: `"Tea" & 'cake' &lt;b&gt;`, Summary: "<script>alert(1)</script>", Description: "<b>x</b>",
		Place: &protocol.Place{Name: `<img src=x onerror=alert(1)>`}})
	got := str(decode(t, write(t, l))["content"])
	want := `<p><strong>Needed: &#34;Tea&#34; &amp; &#39;cake&#39; &amp;lt;b&amp;gt;</strong></p><p>&lt;img src=x onerror=alert(1)&gt;</p>` +
		`<p>&lt;script&gt;alert(1)&lt;/script&gt;</p><p>x</p>`
	if !strings.HasPrefix(got, want) {
		t.Errorf("\n got %s\nwant %s…", got, want)
	}
}

func TestCostLine(t *testing.T) {
	cases := []struct {
		cost protocol.Cost
		want string
	}{
		{protocol.Cost{Free: true}, "free"},
		{protocol.Cost{Free: true, Amount: "0.00", Currency: "GBP"}, "free"},
		{protocol.Cost{Amount: "12.00", Currency: "GBP", Per: "hour"}, "£12.00 per hour"},
		{protocol.Cost{Amount: "3", Currency: "EUR", Note: "or what you can"}, "€3, or what you can"},
		{protocol.Cost{Deposit: "20.00", Currency: "PLN"}, "deposit 20.00 PLN"},
		{protocol.Cost{Free: true, Deposit: "5.00", Currency: "GBP"}, "free, deposit £5.00"},
		{protocol.Cost{Currency: "GBP"}, ""},
	}
	for _, c := range cases {
		if got := vocab.CostLine(&c.cost); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.cost, got, c.want)
		}
	}
}
