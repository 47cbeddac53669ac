// Download a URL with Node's fetch: fetch_node.cjs URL FILE [TOKEN]
//
// Node's own fetch reads no proxy variable before Node 24; undici, which it is
// made of, has an agent that does. Roots come by NODE_EXTRA_CA_CERTS.
const { createWriteStream } = require("node:fs");
const { Readable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const { EnvHttpProxyAgent, fetch } = require("undici");

async function main(url, path, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(url, { headers, dispatcher: new EnvHttpProxyAgent() });
  if (!answer.ok) {
    throw new Error(`${answer.status} ${answer.statusText}: ${(await answer.text()).slice(0, 500)}`);
  }
  await pipeline(Readable.fromWeb(answer.body), createWriteStream(path));
}

main(...process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
