package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/admin"
)

// confirmation asks whether something is meant that cannot be taken back. Every
// string is a sentence, not a key.
type confirmation struct {
	Title string
	// Happens says what will happen, a sentence each.
	Happens []string
	// Name is what has to be typed.
	Name string
	// Mild acts can be taken back, and are confirmed by the button alone.
	Mild bool
	// Needs is the operation of the API that the act is: who may not call it is
	// not asked.
	Needs string
	// Action is what the button says, Back where the way back leads.
	Action, Back string
	// Option, where there is one, is a box that may be ticked: the field and
	// what it says.
	Option, OptionText string
}

// sameName reports whether what was typed is the name as a page shows it, where
// spaces in a row are one (CSS Text, section 4.1.1).
func sameName(typed, name string) bool {
	return slices.Equal(strings.Fields(typed), strings.Fields(name))
}

// confirm registers an act that has to be confirmed: the page that asks stands
// at the path of the act. ask says what is asked; do does it, and says where to
// go on.
func (p *Portal) confirm(path string, ask func(*visit) (confirmation, error), do func(*visit, url.Values) error) {
	p.page("GET", path, func(v *visit) error {
		c, err := ask(v)
		if err == nil && c.Needs != "" {
			err = v.may(c.Needs)
		}
		if err != nil {
			return err
		}
		return v.render("confirm.html", c)
	})
	p.act(path, func(v *visit, form url.Values) error {
		c, err := ask(v)
		if err != nil {
			return err
		}
		if !c.Mild && !sameName(form.Get("name"), c.Name) {
			return v.refused(&admin.Problem{Status: http.StatusUnprocessableEntity, Code: "not_confirmed",
				Detail: v.say("confirm.other"), Next: v.say("confirm.other.next", c.Name)}, "confirm.html", c)
		}
		if err := do(v, form); err != nil {
			return v.refused(err, "confirm.html", c)
		}
		return nil
	})
}
