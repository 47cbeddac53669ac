package portal

import (
	"net/url"
	"slices"

	"github.com/weighbridge/weighbridge/admin"
)

// choice is a thing that another may be linked to: a box to tick, in the part
// choices.
type choice struct {
	ID, Name string
	// Status and Note are shown beside the name where they are set. Status is
	// one of a credential or a key.
	Status, Note string
	// Chosen is whether the box is ticked, Linked whether they are linked now.
	Chosen, Linked bool
}

// credentialChoices are the team's credentials, of which those in linked are
// linked.
func credentialChoices(all []admin.Credential, linked []admin.Ref) []choice {
	out := make([]choice, len(all))
	for i := range all {
		out[i] = choice{ID: all[i].ID, Name: all[i].Name, Status: all[i].Status}
	}
	return linkedTo(out, linked)
}

// linkedTo ticks what is linked. What is revoked is offered only where it is, to
// be taken away.
func linkedTo(all []choice, linked []admin.Ref) []choice {
	out := all[:0]
	for _, c := range all {
		c.Linked = slices.ContainsFunc(linked, func(r admin.Ref) bool { return r.ID == c.ID })
		if c.Chosen = c.Linked; c.Linked || c.Status != "revoked" {
			out = append(out, c)
		}
	}
	return out
}

// chosen ticks the boxes as a form had them ticked.
func chosen(all []choice, ids []string) []choice {
	for i := range all {
		all[i].Chosen = slices.Contains(ids, all[i].ID)
	}
	return all
}

// relink changes links as the part choices of that name was changed: what it
// showed as it was sent stays, also where somebody else has changed it since.
func relink(form url.Values, name string, link, unlink func(id string) error) error {
	was, now := form[name+"-was"], form[name]
	for _, id := range now {
		if !slices.Contains(was, id) {
			if err := link(id); err != nil {
				return err
			}
		}
	}
	for _, id := range was {
		if !slices.Contains(now, id) {
			if err := unlink(id); err != nil {
				return err
			}
		}
	}
	return nil
}
