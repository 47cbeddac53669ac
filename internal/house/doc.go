// Package house is the test kit: a whole weighbridge on ports of the system's
// choice, fakes on its far side that verify what reaches them (packages hub
// and registry, over origin), and a canary, a secret whose every form is
// looked for in everything that comes out.
package house
