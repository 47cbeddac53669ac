package store

import (
	"context"
	"errors"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// A condition is held against what is changed, once, and its error changes
// nothing.
func TestOnlyIf(t *testing.T) {
	kek, err := NewMemoryKEK()
	if err != nil {
		t.Fatal(err)
	}
	st, err := OpenMemory(Options{KEK: kek})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	team, err := st.EnsureTeam(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	create := func(ctx context.Context, name string) error {
		h, _ := auth.HashAPIKey(auth.NewAPIKey().Reveal())
		_, err := st.CreateKey(ctx, auth.Key{TeamID: team.ID, Name: name, Hash: h}, nil, auth.Event{})
		return err
	}
	no, asked := errors.New("no"), 0
	if err := create(OnlyIf(t.Context(), func(context.Context) error { return no }), "a"); !errors.Is(err, no) {
		t.Errorf("refused: %v", err)
	}
	ctx := OnlyIf(t.Context(), func(ctx context.Context) error {
		asked++
		if s, err := st.State(ctx); err != nil || len(s.Keys) != 0 {
			t.Errorf("%d keys, %v", len(s.Keys), err)
		}
		return nil
	})
	for _, name := range []string{"a", "b"} {
		if err := create(ctx, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}
