package workerenv

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Shells lists the syntaxes that Render knows.
func Shells() []string {
	return []string{"sh", "fish", "powershell", "docker", "k8s", "systemd", "python"}
}

// Render writes vars in the syntax of shell: sh, fish and powershell as
// statements, docker as the lines of an --env-file, k8s as the entries of a
// container's env, systemd as settings of a [Service] (systemd.exec(5),
// Environment=), python as statements about os.environ.
func Render(w io.Writer, shell string, vars []Var) error {
	var b strings.Builder
	for _, v := range vars {
		if strings.ContainsAny(v.Value, "\x00\r\n") {
			return fmt.Errorf("%s: the value holds a line break", v.Name)
		}
		switch shell {
		case "sh":
			comment(&b, "", v.Why)
			fmt.Fprintf(&b, "export %s='%s'\n", v.Name, strings.ReplaceAll(v.Value, "'", `'\''`))
		case "fish":
			comment(&b, "", v.Why)
			fmt.Fprintf(&b, "set -gx %s '%s'\n", v.Name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v.Value))
		case "powershell":
			comment(&b, "", v.Why)
			fmt.Fprintf(&b, "$env:%s = '%s'\n", v.Name, strings.ReplaceAll(v.Value, "'", "''"))
		case "docker":
			comment(&b, "", v.Why)
			fmt.Fprintf(&b, "%s=%s\n", v.Name, v.Value)
		case "k8s":
			fmt.Fprintf(&b, "- name: %s", v.Name)
			if v.Why != "" {
				fmt.Fprintf(&b, "  # %s", v.Why)
			}
			fmt.Fprintf(&b, "\n  value: %q\n", v.Value)
		case "systemd":
			comment(&b, "", v.Why)
			fmt.Fprintf(&b, "Environment=\"%s=%s\"\n", v.Name, strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(v.Value))
		case "python":
			comment(&b, "", v.Why)
			// What Go writes for ASCII is a literal of Python's as well.
			fmt.Fprintf(&b, "os.environ[%s] = %s\n", strconv.QuoteToASCII(v.Name), strconv.QuoteToASCII(v.Value))
		default:
			return fmt.Errorf("shell %q: choose one of %s", shell, strings.Join(Shells(), ", "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func comment(b *strings.Builder, indent, why string) {
	if why != "" {
		fmt.Fprintf(b, "%s# %s\n", indent, why)
	}
}
