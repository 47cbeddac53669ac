package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/weighbridge/weighbridge/auth"
)

// maxAsking bounds how often a change begins anew because what it asked about
// was changed by others meanwhile.
const maxAsking = 20

// errAsk stands for an answer of a KEK that is still to be asked for. It never
// leaves change.
var errAsk = errors.New("the KEK has not been asked yet")

// answers are what KEKs were asked for a change. A KEK may be a service that
// takes its time, and whoever waits for one holds no lock: a change that lacks
// an answer notes the question, goes on as if it had one, commits nothing, and
// is made anew once all its questions are answered.
type answers struct {
	wraps  map[string]*answer // by KEK and associated data
	opens  map[string]*answer // by KEK, associated data and what is to be opened
	asking []*answer
	ids    map[string]string // what new rows are called, the same each time
}

// answer is one question and, once it was asked, its answer: a DEK and what it
// is wrapped as.
type answer struct {
	ask          func(ctx context.Context, a *answer) error
	asked        bool
	dek, wrapped []byte
	err          error
}

func newAnswers() *answers {
	return &answers{wraps: map[string]*answer{}, opens: map[string]*answer{}, ids: map[string]string{}}
}

// get is the answer that is kept under key; where there is none yet it is noted
// that ask is to be asked.
func (s *answers) get(in map[string]*answer, key string, ask func(ctx context.Context, a *answer) error) *answer {
	a, ok := in[key]
	if !ok {
		a = &answer{ask: ask}
		in[key], s.asking = a, append(s.asking, a)
	}
	return a
}

// askAll asks every question that is open, several at a time. What a KEK
// refuses is an answer, too: the change that needs it fails by it.
func (s *answers) askAll(ctx context.Context) {
	var group sync.WaitGroup
	places := make(chan struct{}, rotateParallel)
	for _, a := range s.asking {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			a.err, a.asked = a.ask(ctx, a), true
		})
	}
	group.Wait()
	s.asking = nil
}

// wipe overwrites every DEK.
func (s *answers) wipe() {
	for _, a := range s.wraps {
		clear(a.dek)
	}
	for _, a := range s.opens {
		clear(a.dek)
	}
}

// id is what a new row gets: it is bound to what is sealed of it, and so stays
// the same where the change is made anew.
func (t *tx) id(what, name string) string {
	key := what + "/" + name
	if t.answers.ids[key] == "" {
		t.answers.ids[key] = auth.NewID(t.at)
	}
	return t.answers.ids[key]
}

// seal seals fields under a new DEK. Where the KEK is still to be asked, what it
// returns holds nothing, and the transaction is not committed.
func (t *tx) seal(o sealOwner, fields map[string][]byte) (*envelope, error) {
	kek, aad := t.c.kek, o.dekAAD()
	a := t.answers.get(t.answers.wraps, kek.ID()+"\x00"+string(aad), func(ctx context.Context, a *answer) (err error) {
		a.dek = make([]byte, kekSize)
		_, _ = rand.Read(a.dek) // never fails since Go 1.24
		a.wrapped, err = kek.Wrap(ctx, a.dek, aad)
		return err
	})
	switch {
	case !a.asked:
		return &envelope{}, nil
	case a.err != nil:
		return nil, cannotWrap(kek, a.err)
	}
	return sealUnder(a.dek, dekRow{Version: o.version, KEK: kek.ID(), Wrapped: slices.Clone(a.wrapped)}, o, fields)
}

// answeredKEK opens for a transaction what was asked for it.
type answeredKEK struct {
	KEK
	s *answers
}

// Unwrap implements KEK. The error is errAsk where it is still to be asked.
func (k answeredKEK) Unwrap(_ context.Context, wrapped, aad []byte) ([]byte, error) {
	key := fmt.Sprintf("%s\x00%d\x00%s%s", k.ID(), len(aad), aad, wrapped)
	a := k.s.get(k.s.opens, key, func(ctx context.Context, a *answer) (err error) {
		a.dek, err = k.KEK.Unwrap(ctx, wrapped, aad)
		return err
	})
	if !a.asked {
		return nil, errAsk
	}
	return slices.Clone(a.dek), a.err
}
