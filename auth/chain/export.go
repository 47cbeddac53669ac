package chain

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Exporter writes out a stretch of one record so that it still verifies: the
// lines as they are, and signed lines before and behind them that say where
// the chains stood. The stretch begins with the first line at or after Since
// and ends before the first at or after Until; zero times are no bound. Lines
// keep their order: that of writing.
type Exporter struct {
	Keys         *Keys
	Since, Until time.Time
	// Team, where it is set, is whose chain alone is written: no line, and no
	// head, tells of another team. Each chain verifies without the others.
	Team string
	// Now is when the export is made.
	Now time.Time
	// Write is given each line, with its newline.
	Write func([]byte) error

	states map[string]map[string]State // by writer and team
	begun  bool
	// cut are the writers of which a line was written.
	cut map[string]bool
	err error
}

// Line takes the next line of the record. It returns false once nothing more is
// wanted.
func (e *Exporter) Line(raw []byte) bool {
	raw = bytes.TrimRight(raw, "\r\n")
	if len(raw) == 0 || e.err != nil {
		return e.err == nil
	}
	var l Line
	if json.Unmarshal(raw, &l) != nil {
		if e.begun && e.Team == "" { // torn, and part of what is there
			e.write(raw)
		}
		return e.err == nil
	}
	if !e.Until.IsZero() && !l.Time.Before(e.Until) && (e.begun || !l.Time.Before(e.Since)) {
		return false
	}
	e.begun = e.begun || !l.Time.Before(e.Since)
	if e.begun && (e.Team == "" || e.Team == l.TeamID) {
		if l.Writer != "" && !e.cut[l.Writer] {
			if e.cut == nil {
				e.cut = map[string]bool{}
			}
			e.cut[l.Writer] = true
			e.bound(ActionExportBegin, l.Writer)
		}
		e.write(raw)
	}
	e.follow(&l)
	return e.err == nil
}

// follow notes where the chains stand behind l.
func (e *Exporter) follow(l *Line) {
	at, ok := l.Claimed()
	if !ok {
		return
	}
	if e.states == nil {
		e.states = map[string]map[string]State{}
	}
	of := e.states[l.Writer]
	if of == nil {
		of = map[string]State{}
		e.states[l.Writer] = of
	}
	for _, h := range l.Heads {
		if s, ok := h.State(); ok {
			of[h.Team] = s
		}
	}
	of[l.TeamID] = at
}

// Close writes what ends the export.
func (e *Exporter) Close() error {
	for _, writer := range sorted(e.cut) {
		e.bound(ActionExportEnd, writer)
	}
	return e.err
}

// bound writes a signed line that says where the chains of a writer stand.
func (e *Exporter) bound(action, writer string) {
	ev := auth.Event{ID: auth.NewID(e.Now), Time: e.Now.UTC(), Action: action, Actor: "system"}
	body, err := json.Marshal(&ev)
	if err != nil {
		e.err = err
		return
	}
	var heads []Head
	for _, team := range sorted(e.states[writer]) {
		if e.Team != "" && e.Team != team {
			continue
		}
		heads = append(heads, HeadOf(team, e.states[writer][team]))
	}
	e.write(e.Keys.AppendCut(nil, body[:len(body)-1], writer, heads))
}

func (e *Exporter) write(line []byte) {
	if e.err == nil {
		e.err = e.Write(append(bytes.Clone(line), '\n'))
	}
}
