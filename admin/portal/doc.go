// Package portal is the administration for a browser: pages made on the server
// of what the API answers. It holds no right of its own. Every page asks the API
// as the user who is signed in, and what the API refuses the page cannot show.
//
// A page is a handler (one file), a template of the same name below templates
// and its sentences below text. docs/adr/0014-the-portal.md says why it is so.
package portal
