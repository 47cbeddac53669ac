//go:build !linux

package main

// unmapProgram leaves the pages of the program to the system.
func unmapProgram() {}
