package testnet

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/waypost-directory/waypost/protocol"
)

// Patience is how long a check may take to become true when its line names no
// other time. It is real time.
const Patience = 15 * time.Second

// Run plays a scenario in a world: the lines of a txtar archive's comment are
// its steps, and its files are listings as JSON. The error names the line that
// did not hold. docs/implementers/scenarios.md explains the steps.
func Run(ctx context.Context, w *World, archive []byte) error {
	a := txtar.Parse(archive)
	s := &scenario{world: w, files: map[string][]byte{}}
	for _, f := range a.Files {
		s.files[f.Name] = f.Data
	}
	for i, text := range strings.Split(string(a.Comment), "\n") {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if err := s.line(ctx, text); err != nil {
			return fmt.Errorf("line %d: %s: %w", i+1, text, err)
		}
	}
	return nil
}

type scenario struct {
	world *World
	files map[string][]byte
}

// step is one sort of line. Words in capitals stand for arguments. A check is
// tried again until it holds.
type step struct {
	form  string
	check bool
	run   func(ctx context.Context, s *scenario, a args) error
}

// args are the arguments of a line, in order, each in the list of its sort.
type args struct {
	names    []string
	nodes    []*Node
	texts    []string
	numbers  []int
	duration time.Duration
}

var tokenPattern = regexp.MustCompile(`"[^"]*"|\S+`)

// line runs one line: "! step" must fail, `! step because "text"` with that
// text in its error; "check within 5s" has that long to come true, and "check
// for 2s" must come true and then stay so for that long.
func (s *scenario) line(ctx context.Context, text string) error {
	text, fails := strings.CutPrefix(text, "! ")
	words := tokenPattern.FindAllString(text, -1)
	because := ""
	if n := len(words); fails && n > 2 && words[n-2] == "because" {
		because, words = strings.Trim(words[n-1], `"`), words[:n-2]
	}
	within, stays := Patience, time.Duration(0)
	if n := len(words); n > 2 && (words[n-2] == "within" || words[n-2] == "for") {
		d, err := duration(words[n-1])
		if err != nil {
			return err
		}
		if words[n-2] == "for" {
			stays = d
		} else {
			within = d
		}
		words = words[:n-2]
	}
	st, a, err := s.find(words)
	if err != nil {
		return err
	}
	err = st.perform(ctx, s, a, within, stays)
	if !fails {
		return err
	}
	switch {
	case err == nil:
		return fmt.Errorf("it was expected to fail")
	case !strings.Contains(err.Error(), because):
		return fmt.Errorf("it failed, but with other words than %q: %w", because, err)
	}
	return nil
}

func (st step) perform(ctx context.Context, s *scenario, a args, within, stays time.Duration) error {
	if !st.check {
		ctx, cancel := context.WithTimeout(ctx, 2*Patience)
		defer cancel()
		return st.run(ctx, s, a)
	}
	try := func() (bool, error) {
		err := st.run(ctx, s, a)
		return err == nil, err
	}
	if err := WaitFor(ctx, within, try); err != nil || stays == 0 {
		return err
	}
	for end := time.Now().Add(stays); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := st.run(ctx, s, a); err != nil {
			return fmt.Errorf("it held and then no longer: %w", err)
		}
	}
	return nil
}

// find looks for the step whose form fits the words.
func (s *scenario) find(words []string) (step, args, error) {
	var last error
	for _, st := range steps {
		form := strings.Fields(st.form)
		if !fits(form, words) {
			continue
		}
		a, err := s.arguments(form, words)
		if err == nil {
			return st, a, nil
		}
		last = err
	}
	if last == nil {
		last = fmt.Errorf("there is no such step; see docs/implementers/scenarios.md")
	}
	return step{}, args{}, last
}

func fits(form, words []string) bool {
	if len(form) != len(words) {
		return false
	}
	for i, f := range form {
		if f == strings.ToLower(f) && f != words[i] {
			return false
		}
	}
	return true
}

func (s *scenario) arguments(form, words []string) (a args, err error) {
	for i, f := range form {
		word := words[i]
		switch f {
		case "NAME", "FILE", "UID":
			a.names = append(a.names, word)
		case "TEXT":
			a.texts = append(a.texts, strings.Trim(word, `"`))
		case "NODE":
			n := s.world.Node(word)
			if n == nil {
				return a, fmt.Errorf("there is no node %s", word)
			}
			a.nodes = append(a.nodes, n)
		case "NUMBER":
			n, err := strconv.Atoi(word)
			if err != nil {
				return a, fmt.Errorf("%s is not a number", word)
			}
			a.numbers = append(a.numbers, n)
		case "DURATION":
			if a.duration, err = duration(word); err != nil {
				return a, err
			}
		}
	}
	return a, nil
}

// duration reads Go's durations and days, such as "8d".
func duration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

func (s *scenario) listing(file string) (protocol.Listing, error) {
	raw, ok := s.files[file]
	if !ok {
		return protocol.Listing{}, fmt.Errorf("the archive has no file %s", file)
	}
	return protocol.DecodeListing(raw)
}
