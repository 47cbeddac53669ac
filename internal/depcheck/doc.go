// Package depcheck holds the house to its plan. It has no code, only tests that
// read the source of the whole module: who may import whom, which library
// stays in which package, what no source may contain.
package depcheck
