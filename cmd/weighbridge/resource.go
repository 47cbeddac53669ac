package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/admin"
)

// resource is a kind of thing that the API keeps below one path, and what the
// command line needs to speak of it. T is what the API shows of one.
type resource[T any] struct {
	a *app
	// path is where the API lists them, member the name of the list in its answer.
	path, member string
	// noun is one of them in a sentence, article stands before it.
	article, noun string
	complete      cobra.CompletionFunc
	text          func(io.Writer, *T)
}

// of is the path of one of them, by id or name.
func (r resource[T]) of(ref string) string { return r.path + "/" + admin.Segment(ref) }

// call sends in (nil for none) and shows the one that comes back.
func (r resource[T]) call(ctx context.Context, method, path string, in any) error {
	var out T
	return shown(r.a, r.text)(out, r.a.client().Call(ctx, method, path, in, &out))
}

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
			all, err := admin.List[T](c.Context(), r.a.client(), r.path, r.member)
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

// one is a command that takes one of them. run gets its path.
func (r resource[T]) one(c *cobra.Command, run func(ctx context.Context, ref, path string) error) *cobra.Command {
	c.Args, c.ValidArgsFunction = cobra.ExactArgs(1), r.complete
	c.RunE = func(c *cobra.Command, args []string) error { return run(c.Context(), args[0], r.of(args[0])) }
	return c
}

func (r resource[T]) show() *cobra.Command {
	c := &cobra.Command{Use: "show ID|NAME", Short: "Show " + r.article + " " + r.noun + ", never its secret"}
	return r.one(c, func(ctx context.Context, _, path string) error { return r.call(ctx, http.MethodGet, path, nil) })
}

// act is a command that posts to suffix below one of them, once question, in
// which %q stands for it, has been answered. change may change both; it may be
// nil.
func (r resource[T]) act(verb, short, question, suffix string, change func(question, suffix string) (string, string)) *cobra.Command {
	c := &cobra.Command{Use: verb + " ID|NAME", Short: short}
	return r.one(c, func(ctx context.Context, ref, path string) error {
		question, suffix := question, suffix
		if change != nil {
			question, suffix = change(question, suffix)
		}
		if err := r.a.confirm(fmt.Sprintf(question, ref)); err != nil {
			return err
		}
		return r.call(ctx, http.MethodPost, path+suffix, nil)
	})
}

// revoke ends one of them, with --now also what is under way.
func (r resource[T]) revoke(short string) *cobra.Command {
	var now bool
	c := r.act("revoke", short, "Revoke "+r.noun+" %q? Every new request is refused at once; transfers in progress finish.", "/revoke",
		func(question, suffix string) (string, string) {
			if !now {
				return question, suffix
			}
			return strings.Replace(question, "transfers in progress finish", "transfers in progress are cut", 1), suffix + "?now=true"
		})
	c.Flags().BoolVar(&now, "now", false, "also cut the transfers in progress")
	return c
}

// remove deletes one of them; what else goes is said in short and consequence.
func (r resource[T]) remove(short, consequence string) *cobra.Command {
	c := &cobra.Command{Use: "delete ID|NAME", Aliases: []string{"rm"}, Short: "Delete " + r.article + " " + r.noun + " and " + short}
	return r.one(c, func(ctx context.Context, ref, path string) error {
		if err := r.a.confirm(fmt.Sprintf("Delete %s %q?%s", r.noun, ref, consequence)); err != nil {
			return err
		}
		if err := r.a.client().Call(ctx, http.MethodDelete, path, nil, nil); err != nil {
			return err
		}
		return r.a.print(map[string]any{"deleted": ref}, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "%s %q is deleted.\n", strings.ToUpper(r.noun[:1])+r.noun[1:], ref)
		})
	})
}
