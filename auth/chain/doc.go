// Package chain ties the events of the audit record together, so that none can
// be changed, taken out, put in or moved without notice by anybody who does
// not hold the key.
//
// A [Link] is the chain of one team in one writer (the record of use, the
// record of acts): each of its lines carries a number that grows by one and an
// HMAC over the line and the HMAC of the line before. Heads, which a writer
// signs every minute and wherever a file begins, list where all chains of that
// writer stand: they tie the teams together, and what they cover cannot be
// written anew even by who holds the chain's key alone. A [Verifier] reads all
// that and names the first line that does not fit.
//
// A line is a JSON object on one line. Its last members are the chain's:
//
//	…,"writer":"use-5f0a1b2c","seq":17,"mac":"<base64url>"}
//	…,"writer":"use-5f0a1b2c","seq":18,"heads":[…],"mac":"…","sig":"…"}
//
// The package knows no file and no store: it works on lines.
package chain
