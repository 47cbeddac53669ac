// Package deploy tests what the deploy directory holds, and the Dockerfile,
// without a cluster and without a container engine: the chart is linted and
// rendered by Helm's own packages, every manifest is decoded strictly into the
// typed Kubernetes API and held to a policy, the webhook of the built program
// answers recorded reviews and its patch is applied, the Dockerfile is read by
// BuildKit's parser, the unit by systemd-analyze.
package deploy
