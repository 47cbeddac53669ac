// Download files of a repository with @huggingface/hub: hub_node.cjs REPO DIR FILE...
//
// It reads no variable by itself: fetch goes through the agent that reads
// HTTPS_PROXY, hubUrl and accessToken are given to it.
const { createWriteStream, mkdirSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { Readable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const { downloadFile } = require("@huggingface/hub");
const undici = require("undici");

const dispatcher = new undici.EnvHttpProxyAgent();
const { HF_ENDPOINT, HF_TOKEN, HF_HUB_DISABLE_XET } = process.env;

async function main(repo, folder, ...files) {
  for (const path of files) {
    const blob = await downloadFile({
      repo,
      path,
      xet: !HF_HUB_DISABLE_XET,
      fetch: (url, init) => undici.fetch(url, { ...init, dispatcher }),
      ...(HF_ENDPOINT && { hubUrl: HF_ENDPOINT }),
      ...(HF_TOKEN && { accessToken: HF_TOKEN }),
    });
    if (!blob) {
      throw new Error(`${path} is not in ${repo}`);
    }
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    await pipeline(Readable.fromWeb(blob.stream()), createWriteStream(join(folder, path)));
  }
}

main(...process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
