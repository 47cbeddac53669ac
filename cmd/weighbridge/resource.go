package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

// resource is a kind of thing of the API, and what the command line needs to
// speak of it. T is what the API shows of one.
type resource[T any] struct {
	a *app
	// The calls of the API; those that there are no commands for may be nil.
	all    func(*admin.Client, context.Context) ([]T, error)
	get    func(c *admin.Client, ctx context.Context, ref string) (T, error)
	delete func(c *admin.Client, ctx context.Context, ref string) error
	// member is the name of the list in what --json prints.
	member string
	// noun is one of them in a sentence, article stands before it.
	article, noun string
	complete      cobra.CompletionFunc
	text          func(io.Writer, *T)
}

// shown shows what a call gave, unless that is an error.
func (r resource[T]) shown(out T, err error) error { return shown(r.a, r.text)(out, err) }

// shown shows what a call gave, unless that is an error.
func shown[T any](a *app, text func(io.Writer, *T)) func(T, error) error {
	return func(out T, err error) error {
		if err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) { text(w, &out) })
	}
}

// list shows all of them as a table; none is said in words, where there are
// any.
func (r resource[T]) list(none string, header []string, row func(*T) []string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the " + r.noun + "s", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := r.all(r.a.client(), c.Context())
			if err != nil {
				return err
			}
			return r.a.print(map[string][]T{r.member: all}, func(w io.Writer) {
				if len(all) == 0 && none != "" {
					_, _ = fmt.Fprintln(w, none)
					return
				}
				var rows [][]string
				for i := range all {
					rows = append(rows, row(&all[i]))
				}
				table(w, header, rows)
			})
		},
	}
}

// one is a command that takes one of them, by id or name.
func (r resource[T]) one(c *cobra.Command, run func(ctx context.Context, ref string) error) *cobra.Command {
	c.Args, c.ValidArgsFunction = cobra.ExactArgs(1), r.complete
	c.RunE = func(c *cobra.Command, args []string) error { return run(c.Context(), args[0]) }
	return c
}

func (r resource[T]) show() *cobra.Command {
	c := &cobra.Command{Use: "show ID|NAME", Short: "Show " + r.article + " " + r.noun + ", never its secret"}
	return r.one(c, func(ctx context.Context, ref string) error { return r.shown(r.get(r.a.client(), ctx, ref)) })
}

// act is a command that does something to one of them, once question, in which
// %q stands for it, has been answered. change may change the question; it may
// be nil.
func (r resource[T]) act(verb, short, question string, do func(c *admin.Client, ctx context.Context, ref string) (T, error), change func(question string) string) *cobra.Command {
	c := &cobra.Command{Use: verb + " ID|NAME", Short: short}
	return r.one(c, func(ctx context.Context, ref string) error {
		question := question
		if change != nil {
			question = change(question)
		}
		if err := r.a.confirm(fmt.Sprintf(question, ref)); err != nil {
			return err
		}
		return r.shown(do(r.a.client(), ctx, ref))
	})
}

// revoke ends one of them, with --now also what is under way.
func (r resource[T]) revoke(short string, do func(c *admin.Client, ctx context.Context, ref string, now bool) (T, error)) *cobra.Command {
	var now bool
	c := r.act("revoke", short, "Revoke "+r.noun+" %q? Every new request is refused at once; transfers in progress finish.",
		func(c *admin.Client, ctx context.Context, ref string) (T, error) { return do(c, ctx, ref, now) },
		func(question string) string {
			if !now {
				return question
			}
			return strings.Replace(question, "transfers in progress finish", "transfers in progress are cut", 1)
		})
	c.Flags().BoolVar(&now, "now", false, "also cut the transfers in progress")
	return c
}

// remove deletes one of them; what else goes is said in short and consequence.
func (r resource[T]) remove(short, consequence string) *cobra.Command {
	c := &cobra.Command{Use: "delete ID|NAME", Aliases: []string{"rm"}, Short: "Delete " + r.article + " " + r.noun + " and " + short}
	return r.one(c, func(ctx context.Context, ref string) error {
		if err := r.a.confirm(fmt.Sprintf("Delete %s %q?%s", r.noun, ref, consequence)); err != nil {
			return err
		}
		if err := r.delete(r.a.client(), ctx, ref); err != nil {
			return err
		}
		return r.a.print(map[string]any{"deleted": ref}, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "%s %q is deleted.\n", strings.ToUpper(r.noun[:1])+r.noun[1:], ref)
		})
	})
}
