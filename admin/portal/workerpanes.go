package portal

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// rendered is what workerenv writes for a worker in one syntax.
func rendered(o workerenv.Options, shell string) (string, error) {
	vars, err := workerenv.Variables(o)
	if err != nil {
		return "", err
	}
	return render(shell, vars)
}

func render(shell string, vars []workerenv.Var) (string, error) {
	var b bytes.Buffer
	err := workerenv.Render(&b, shell, vars)
	return b.String(), err
}

// syntaxes are what panes are written in, by the id of the pane.
var syntaxes = map[string]string{"shell": "sh", "docker": "docker", "kubernetes": "k8s", "python": "python", "powershell": "powershell"}

// panes are the export lines of one mode.
func (v *visit) panes(o workerenv.Options) ([]pane, error) {
	shown := map[string]string{}
	for id, shell := range syntaxes {
		var err error
		if shown[id], err = rendered(o, shell); err != nil {
			return nil, err
		}
	}
	comfy, err := v.comfyUI(o)
	if err != nil {
		return nil, err
	}
	// A container has no file of this machine, unless it is given it.
	docker, kubernetes := "docker run --env-file worker.env IMAGE", []lines{{lineID(o, "kubernetes"), v.say("worker.kubernetes.env"), shown["kubernetes"]}}
	if names(o, o.Bundle) {
		docker = "docker run --env-file worker.env -v " + quoted(o.Bundle+":"+o.Bundle+":ro") + " IMAGE"
		kubernetes = append(kubernetes,
			lines{lineID(o, "kubernetes-ca"), v.say("worker.kubernetes.ca"), "kubectl create configmap weighbridge-ca --from-file=" + quoted("ca-bundle.pem="+o.Bundle)},
			lines{lineID(o, "kubernetes-mount"), v.say("worker.kubernetes.mount"), "volumeMounts:\n- name: weighbridge-ca\n  mountPath: " + strconv.Quote(o.Bundle) + "\n  subPath: ca-bundle.pem\n" +
				"volumes:\n- name: weighbridge-ca\n  configMap: {name: weighbridge-ca}\n"})
	}
	return []pane{
		{ID: "shell", Label: v.say("worker.shell"), Lines: []lines{{lineID(o, "shell"), v.say("worker.shell.lines"), shown["shell"]}}},
		{ID: "docker", Label: v.say("worker.docker"), Lines: []lines{
			{lineID(o, "docker"), v.say("worker.docker.lines"), shown["docker"]}, {lineID(o, "docker-run"), v.say("worker.docker.run"), docker}}},
		{ID: "kubernetes", Label: v.say("worker.kubernetes"), Notes: []string{v.say("worker.kubernetes.secret")}, Lines: kubernetes},
		comfy,
		{ID: "python", Label: v.say("worker.python"), Lines: []lines{{lineID(o, "python"), v.say("worker.python.lines"), "import os\n\n" + shown["python"]}}},
		{ID: "powershell", Label: v.say("worker.powershell"), Lines: []lines{{lineID(o, "powershell"), v.say("worker.powershell.lines"), shown["powershell"]}}},
	}, nil
}

// comfyUI has ComfyUI as a service of systemd, and started by a script.
func (v *visit) comfyUI(o workerenv.Options) (pane, error) {
	unit, err := rendered(o, "systemd")
	if err != nil {
		return pane{}, err
	}
	script, err := rendered(o, "sh")
	return pane{ID: "comfyui", Label: v.say("worker.comfyui"), Lines: []lines{
		{lineID(o, "comfyui"), v.say("worker.comfyui.unit"), "[Service]\n" + unit},
		{lineID(o, "comfyui-script"), v.say("worker.comfyui.script"), script + "python main.py\n"},
	}}, err
}

// lineID is the id of lines within the page.
func lineID(o workerenv.Options, name string) string {
	return "lines-" + string(o.Mode) + "-" + name
}

// names reports whether a variable of the worker names the bundle.
func names(o workerenv.Options, bundle string) bool {
	vars, err := workerenv.Variables(o)
	return err == nil && bundle != "" && slices.ContainsFunc(vars, func(one workerenv.Var) bool { return one.Value == bundle })
}

// quoted is a word of a shell, quoted where it has to be.
func quoted(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:=@%+,") == "" && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
