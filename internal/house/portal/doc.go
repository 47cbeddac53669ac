// Package portal opens the portal of a whole weighbridge in a real browser,
// Debian's Chromium, over its debugging protocol. Whatever a test does, every
// page that it comes by is looked at as well: see page_test.go for what must
// hold of each. The tests are behind the build tag realclients;
// testdata/portal/setup.sh installs what they drive.
//
// Screenshots of the pages, in both themes, go to .cache/screenshots; with
// -update the two that the README shows are made anew.
package portal
