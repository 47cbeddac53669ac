package store

import "context"

// condition is what the first change under a context waits for.
type condition struct {
	check func(context.Context) error
	met   bool // of the holder of writing
}

type conditionKey struct{}

// OnlyIf returns a context under which the first change is made only where
// check returns nil; its error is returned as it is, and nothing has changed.
// check is called while no other change can be made, and may read the store:
// what it saw is what is changed. It may be called again. Changes after the
// first are made freely.
func OnlyIf(ctx context.Context, check func(context.Context) error) context.Context {
	return context.WithValue(ctx, conditionKey{}, &condition{check: check})
}

// conditionOf is the condition of ctx that is still to be met, or nil.
func conditionOf(ctx context.Context) *condition {
	c, _ := ctx.Value(conditionKey{}).(*condition)
	if c == nil || c.met {
		return nil
	}
	return c
}

// hold checks c, which may be nil.
func (c *condition) hold(ctx context.Context) error {
	if c == nil {
		return nil
	}
	return c.check(ctx)
}

// done notes that a change was made under c, which may be nil.
func (c *condition) done() {
	if c != nil {
		c.met = true
	}
}
