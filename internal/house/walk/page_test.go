package walk

import "testing"

// A page is only as good as what is looked for in it.
func TestBlocks(t *testing.T) {
	b := Blocks("text\n```sh run exit=7\nfalse\n```\n  ```json file=a.json\n  {}\n  ```\n```\nplain\n```\n")
	if len(b) != 3 || b[0].Text != "false\n" || !b[0].mark("run") || b[0].mark("show") || b[0].status() != 7 || b[0].language() != "sh" {
		t.Fatalf("%+v", b)
	}
	if name, ok := b[1].value("file"); !ok || name != "a.json" || b[1].status() != 0 || b[2].Info != "" {
		t.Errorf("%+v", b)
	}
}

func TestMissing(t *testing.T) {
	const out = "name:    hub\nstatus:  valid\nkeys:    a, b\n"
	for text, want := range map[string]string{
		"name: hub\nstatus: valid\n":  "",
		"name: …\n…\n\nkeys: …, b\n":  "",
		"status: valid\nname: hub\n":  "name: hub",
		"name: h.b\n":                 "name: h.b",
		"status: invalid\nkeys: a, b": "status: invalid",
	} {
		if got := (&Block{Text: text}).missing(out); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
