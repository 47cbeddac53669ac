package proxy

import (
	"fmt"
	"testing"
	"time"
)

func TestT58_FailuresAreCountedByAddressAndForgotten(t *testing.T) {
	var f failures
	now := time.Unix(1_700_000_000, 0)
	for i := range maxFailures {
		if wait := f.add("192.0.2.1", now); wait != 0 {
			t.Fatalf("failure %d has to wait %v", i+1, wait)
		}
	}
	if wait := f.add("192.0.2.1", now.Add(20*time.Second)); wait != 40*time.Second {
		t.Errorf("waits %v, want the rest of the minute", wait)
	}
	if wait := f.add("192.0.2.2", now); wait != 0 {
		t.Error("one address pays for another")
	}
	if wait := f.add("192.0.2.1", now.Add(time.Minute)); wait != 0 {
		t.Error("the minute does not end")
	}
}

func TestFailuresOfOneIPv6NetworkCountTogether(t *testing.T) {
	var f failures
	now := time.Unix(1_700_000_000, 0)
	var wait time.Duration
	for i := range maxFailures + 1 {
		wait = f.add(fmt.Sprintf("2001:db8::%x", i), now)
	}
	if wait == 0 {
		t.Error("each address of a /64 has failures of its own")
	}
	if f.add("2001:db8:0:1::1", now) != 0 {
		t.Error("the next /64 pays for it")
	}
}

func TestFailuresAreBounded(t *testing.T) {
	var f failures
	now := time.Unix(1_700_000_000, 0)
	for i := range maxAddresses + 1000 {
		f.add(fmt.Sprint(i), now)
	}
	if len(f.byAddr) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(f.byAddr))
	}
}
