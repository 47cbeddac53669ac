package portal

import "net/url"

// act registers what a form about a team does, for who is signed in.
func (p *Portal) act(path string, do func(*visit, url.Values) error) {
	p.page("POST", path, func(v *visit) error {
		form, err := v.form()
		if err != nil {
			return err
		}
		return do(v, form)
	})
}

// thing is the path of the page of something that has a name: by its name where
// people can read that, and by its id where a page of ours has that path.
func (v *visit) thing(page, name, id string, parts ...string) string {
	if name == "new" {
		name = id
	}
	return v.at(append([]string{page, name}, parts...)...)
}

// Thing is the path of the page of something that has a name.
func (w *view) Thing(page, name, id string, parts ...string) string {
	return w.v.thing(page, name, id, parts...)
}
