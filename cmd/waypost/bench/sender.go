package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/node"
	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/protocol"
)

// sender is a node in this process. It answers what others ask, but it does not
// deliver by itself: what it publishes is posted by the measure.
type sender struct {
	*node.Node
	cid      string
	base     string
	identity *directory.Identity // of its community, which signs
	server   *http.Server
}

func (b *bench) newSender(ctx context.Context) (*sender, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sender{base: "http://" + l.Addr().String()}
	if s.Node, s.cid, err = b.open(ctx, filepath.Join(b.dir, "sender"), s.base, "sender"); err != nil {
		_ = l.Close()
		return nil, err
	}
	c, _ := s.Directory.Community(s.cid)
	s.identity = s.Directory.Identity(c.Actor)
	s.server = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

// serve says that there is nothing to read back, so that a receiver's regular
// pull does not bring what the measure is about to post.
func (s *sender) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/changes") {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(federation.Feed{CID: s.cid, Rows: []federation.Row{}})
		return
	}
	s.Handler().ServeHTTP(w, r)
}

func (s *sender) close() error {
	_ = s.server.Close()
	return s.Node.Close()
}

// creates publishes n events here and returns their Creates, each about as
// large as the sample event of the wire format.
func (s *sender) creates(ctx context.Context, n int) ([][]byte, error) {
	const few, many = 200, 1_200 // letters of description
	short, err := s.bodies(ctx, meetings(1, few))
	if err != nil {
		return nil, err
	}
	long, err := s.bodies(ctx, meetings(1, many))
	if err != nil {
		return nil, err
	}
	perLetter := float64(len(long[0])-len(short[0])) / (many - few)
	size := few + float64(wireSize-len(short[0]))/perLetter
	bodies, err := s.bodies(ctx, meetings(n, int(size)))
	if err != nil {
		return nil, err
	}
	for _, body := range bodies {
		if len(body) < wireSize-wireSlack || len(body) > wireSize+wireSlack {
			return nil, fmt.Errorf("a sample has %d bytes instead of about %d", len(body), wireSize)
		}
	}
	return bodies, nil
}

// bodies publishes listings and returns the signed bytes from the log.
func (s *sender) bodies(ctx context.Context, listings []protocol.Listing) ([][]byte, error) {
	after, err := s.Log.Last(ctx)
	if err != nil {
		return nil, err
	}
	if err := publish(ctx, s.Node, s.cid, listings); err != nil {
		return nil, err
	}
	var bodies [][]byte
	for {
		entries, err := s.Log.Read(ctx, after, 500)
		if err != nil || len(entries) == 0 {
			return bodies, err
		}
		for _, e := range entries {
			body, err := s.Log.Body(ctx, e.Digest)
			if err != nil {
				return nil, err
			}
			bodies = append(bodies, body)
			after = e.Seq
		}
	}
}

// signed makes one request to an inbox for each body.
func (s *sender) signed(ctx context.Context, inbox string, bodies [][]byte) ([]*http.Request, error) {
	requests := make([]*http.Request, len(bodies))
	for i, body := range bodies {
		req, err := newPost(ctx, inbox, body)
		if err != nil {
			return nil, err
		}
		if err := s.identity.SignCavage(req, body, time.Now()); err != nil {
			return nil, err
		}
		requests[i] = req
	}
	return requests, nil
}

func newPost(ctx context.Context, inbox string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, inbox, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", federation.ActivityType)
	return req, nil
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
