package admin

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"
)

// A stream of transfers looks this often, and says something at least so often
// that no proxy between takes it for dead.
const (
	transfersEvery = time.Second
	transfersAlive = 15 * time.Second
)

// Transfers are all that are in progress, the oldest first.
type Transfers struct {
	Transfers []Transfer `json:"transfers"`
}

type transfersOutput struct{ Body Transfers }

// TransfersNow is one event of a stream: all transfers as they stand.
type TransfersNow struct {
	Time      time.Time  `json:"time"`
	Transfers []Transfer `json:"transfers"`
}

func (a *API) liveTransfers() {
	tags := []string{"transfers"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-transfers", Method: http.MethodGet, Path: "/api/v1/transfers",
		Summary: "Downloads in progress", Tags: tags,
	}, func(ctx context.Context, _ *struct{}) (*transfersOutput, error) {
		out := &transfersOutput{}
		out.Body.Transfers = a.transfers(ctx)
		return out, nil
	})
	sse.Register(a.doc, huma.Operation{
		OperationID: "follow-transfers", Method: http.MethodGet, Path: "/api/v1/transfers/events",
		Summary: "Downloads in progress, as they go on: server-sent events, one a second while something changes", Tags: tags,
	}, map[string]any{"transfers": TransfersNow{}}, a.followTransfers)
}

// transfers are those of the caller's team, the oldest first; never nil.
func (a *API) transfers(ctx context.Context) []Transfer {
	out := slices.DeleteFunc(append([]Transfer{}, a.o.Transfers()...), func(t Transfer) bool { return t.TeamID != team(ctx) })
	slices.SortStableFunc(out, func(a, b Transfer) int { return a.Started.Compare(b.Started) })
	return out
}

// followTransfers sends what changed until ctx ends, or the caller may not see
// it any more.
func (a *API) followTransfers(ctx context.Context, _ *struct{}, send sse.Sender) {
	tick := time.NewTicker(transfersEvery)
	defer tick.Stop()
	var last []Transfer
	var said time.Time
	for {
		now := a.transfers(ctx)
		if at := time.Now(); !reflect.DeepEqual(now, last) || at.Sub(said) >= transfersAlive {
			if send.Data(TransfersNow{Time: a.o.Now().UTC(), Transfers: now}) != nil {
				return
			}
			last, said = now, at
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !stillMay(ctx) {
			return
		}
	}
}
