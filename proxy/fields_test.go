package proxy

import (
	"reflect"
	"testing"
)

func TestFieldsCompareNamesWithoutCaseAndKeepOrder(t *testing.T) {
	h := fields{{"A", "1"}, {"b", "2"}, {"a", "3"}, {"C", ""}}
	if got := h.Values("A"); !reflect.DeepEqual(got, []string{"1", "3"}) {
		t.Errorf("Values: %q", got)
	}
	if v, ok := h.lookup("c"); v != "" || !ok || !h.has("C") || h.has("D") {
		t.Error("an empty value is not none")
	}
	h.Set("a", "4")
	if want := (fields{{"A", "4"}, {"b", "2"}, {"C", ""}}); !reflect.DeepEqual(h, want) {
		t.Errorf("Set: %q", h)
	}
	h.Set("D", "5")
	h.Del("B")
	if want := (fields{{"A", "4"}, {"C", ""}, {"D", "5"}}); !reflect.DeepEqual(h, want) {
		t.Errorf("Del: %q", h)
	}
	h.Add("d", "6")
	if h.Get("D") != "5" || h.Get("none") != "" {
		t.Error("Get is not the first")
	}
}

func TestTokensRunThroughAllFieldsOfTheName(t *testing.T) {
	h := fields{{"Connection", ""}, {"X", "y"}, {"connection", " close ,,\tX-Secret"}}
	if !h.hasToken("Connection", "x-secret") || !h.hasToken("CONNECTION", "Close") || h.hasToken("Connection", "y") {
		t.Error("tokens are not found")
	}
}
