package portal

import (
	"net/url"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

type regenerateS3Data struct {
	Key   admin.S3Key
	Reach reach
}

type s3KeyRevealed struct {
	Key      admin.S3Key
	Revealed *revealed
}

// s3KeyActs are what ends an S3 access key or its secret.
func (p *Portal) s3KeyActs() {
	p.page("GET", "/s3-keys/{key}/regenerate", func(v *visit) error {
		d, err := v.regeneratingS3()
		if err != nil {
			return err
		}
		return v.render("regenerate-s3-key.html", d)
	})
	p.act("/s3-keys/{key}/regenerate", func(v *visit, form url.Values) error {
		d, err := v.regeneratingS3()
		if err != nil {
			return err
		}
		d.Reach = d.Reach.read(form)
		if err := v.checkReach(d.Reach); err != nil {
			return v.refused(err, "regenerate-s3-key.html", d)
		}
		k, err := v.api.Once(form.Get("once")).RegenerateS3Key(v.ctx(), d.Key.ID)
		if err != nil {
			return v.refused(err, "regenerate-s3-key.html", d)
		}
		return v.revealS3Key(&k, d.Reach)
	})
	p.confirm("/s3-keys/{key}/revoke", func(v *visit) (confirmation, error) {
		k, err := v.api.GetS3Key(v.ctx(), v.r.PathValue("key"))
		return v.endingKey(k.Name, v.thing("s3-keys", k.Name, k.ID), "revoke-s3-key"), err
	}, func(v *visit, form url.Values) error {
		k, err := v.api.RevokeS3Key(v.ctx(), v.r.PathValue("key"), admin.RevokeS3KeyQuery{Now: form.Get("now") != ""})
		if err != nil {
			return err
		}
		return v.redirect(v.thing("s3-keys", k.Name, k.ID), "key-revoked")
	})
	p.confirm("/s3-keys/{key}/delete", func(v *visit) (confirmation, error) {
		k, err := v.api.GetS3Key(v.ctx(), v.r.PathValue("key"))
		return v.deletingKey(k.Name, v.thing("s3-keys", k.Name, k.ID), "delete-s3-key"), err
	}, func(v *visit, _ url.Values) error {
		if err := v.api.DeleteS3Key(v.ctx(), v.r.PathValue("key")); err != nil {
			return err
		}
		return v.redirect(v.at("s3-keys"), "key-deleted")
	})
}

func (v *visit) regeneratingS3() (d regenerateS3Data, err error) {
	if err := v.may("regenerate-s3-key"); err != nil {
		return d, err
	}
	sys, err := v.api.GetSystem(v.ctx())
	if err != nil {
		return d, err
	}
	d.Reach = v.reachOf(&sys)
	d.Key, err = v.api.GetS3Key(v.ctx(), v.r.PathValue("key"))
	return d, err
}

// revealS3Key answers with the secret of a key, or leads to the key where it was
// shown before.
func (v *visit) revealS3Key(k *admin.S3Key, r reach) error {
	if k.SecretAccessKey == "" {
		return v.redirect(v.thing("s3-keys", k.Name, k.ID), "shown-once")
	}
	out := &revealed{Reach: r, Secrets: []lines{{"access-key-id", v.say("reveal.s3.id"), k.AccessKeyID}, {"secret", v.say("reveal.s3.secret"), k.SecretAccessKey}}}
	ways, err := v.s3Ways(k, r)
	if err != nil {
		return err
	}
	out.Ways = []way{ways}
	return v.render("s3-key-revealed.html", s3KeyRevealed{Key: *k, Revealed: out})
}

// s3Ways are the export lines of a worker with an S3 client.
func (v *visit) s3Ways(k *admin.S3Key, r reach) (way, error) {
	o := workerenv.S3Options{ProxyURL: r.Proxy, AccessKeyID: k.AccessKeyID, Secret: auth.NewSecret(k.SecretAccessKey)}
	vars, err := workerenv.S3Variables(o)
	if err != nil {
		return way{}, err
	}
	rclone, err := workerenv.RcloneVariables(o)
	if err != nil {
		return way{}, err
	}
	shown := map[string]string{}
	for _, shell := range []string{"sh", "docker", "k8s", "python", "powershell"} {
		if shown[shell], err = render(shell, vars); err != nil {
			return way{}, err
		}
	}
	remote, err := render("sh", rclone)
	bucket := "BUCKET"
	if len(k.Buckets) > 0 {
		bucket = k.Buckets[0]
	}
	return way{ID: "s3", Lead: v.say("s3-keys.lead"), Panes: []pane{
		{ID: "shell", Label: v.say("worker.shell"), Lines: []lines{{"s3-shell", v.say("s3-keys.shell"), shown["sh"]},
			{"s3-cli", v.say("s3-keys.cli"), "aws s3 ls " + quoted("s3://"+bucket+"/")}, {"s3-s5cmd", v.say("s3-keys.s5cmd"), "s5cmd ls " + quoted("s3://"+bucket+"/")}}},
		{ID: "docker", Label: v.say("worker.docker"), Lines: []lines{{"s3-docker", v.say("worker.docker.lines"), shown["docker"]},
			{"s3-docker-run", v.say("worker.docker.run"), "docker run --env-file worker.env IMAGE"}}},
		{ID: "kubernetes", Label: v.say("worker.kubernetes"), Notes: []string{v.say("worker.kubernetes.secret")}, Lines: []lines{{"s3-kubernetes", v.say("worker.kubernetes.env"), shown["k8s"]}}},
		{ID: "python", Label: v.say("s3-keys.python"), Lines: []lines{{"s3-python", v.say("s3-keys.boto3"), "import os\n\n" + shown["python"] +
			"\nimport boto3\n\ns3 = boto3.client(\"s3\")\n"}}},
		{ID: "rclone", Label: v.say("s3-keys.rclone"), Lines: []lines{{"s3-rclone", v.say("s3-keys.rclone.lines"), remote}, {"s3-rclone-run", v.say("s3-keys.rclone.run"), "rclone lsf " + quoted("weighbridge:"+bucket)}}},
		{ID: "powershell", Label: v.say("worker.powershell"), Lines: []lines{{"s3-powershell", v.say("worker.powershell.lines"), shown["powershell"]}}},
	}}, err
}
