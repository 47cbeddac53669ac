package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// What is not in a file, or other than in it, is never taken out.
func TestOnlyPagesThatAreInAFileAreUnmapped(t *testing.T) {
	const smaps = `00400000-0118d000 r-xp 00000000 fe:00 77 /usr/bin/weighbridge
Rss:               12660 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
0118d000-01f5f000 r--p 00d8d000 fe:00 77 /usr/bin/weighbridge
Anonymous:             4 kB
01f5f000-0204f000 rw-p 01b5f000 fe:00 77 /usr/bin/weighbridge
Anonymous:             0 kB
0204f000-040bc000 rw-p 00000000 00:00 0 
Anonymous:             0 kB
7f9c0820b000-7f9c0830b000 r--s 00000000 fe:00 99 /var/lib/weighbridge/weighbridge.db
Anonymous:             0 kB
7f9c51a00000-7f9c51a02000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
7f9c51b00000-7f9c51b02000 r--p 00000000 fe:00 78 /usr/lib/a library.so (deleted)
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0x118d000}, {0x7f9c51b00000, 0x7f9c51b02000}}
	if got := unwritten(strings.NewReader(smaps)); !slices.Equal(got, want) {
		t.Errorf("%x", got)
	}
}

// The program goes on after its pages were taken out of it.
func TestTheProgramGoesOnWithoutItsPages(t *testing.T) {
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	if len(unwritten(strings.NewReader(string(b)))) == 0 {
		t.Fatal("there is no mapping of the program itself")
	}
	unmapProgram()
	var out strings.Builder
	if code := run(t.Context(), []string{"version"}, nil, strings.NewReader(""), &out, &out); code != exitOK {
		t.Errorf("exit code %d: %s", code, &out)
	}
}
