// Azure's client for Node: blob.cjs URL FILE
const { BlobClient, AnonymousCredential } = require("@azure/storage-blob");

new BlobClient(process.argv[2], new AnonymousCredential()).downloadToFile(process.argv[3]).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
