// @aws-sdk/client-s3 as a worker uses it.
const { S3Client, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, paginateListObjectsV2 } = require("@aws-sdk/client-s3");

async function main([endpoint, accessKeyId, secretAccessKey]) {
  const s3 = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
  const out = {};
  const where = { Bucket: "models", Key: "sd/a b+c.txt" };
  out.get = await (await s3.send(new GetObjectCommand(where))).Body.transformToString();
  out.range = await (await s3.send(new GetObjectCommand({ ...where, Range: "bytes=2-4" }))).Body.transformToString();
  out.head = (await s3.send(new HeadObjectCommand(where))).ContentLength;
  out.v2 = (await s3.send(new ListObjectsV2Command({ Bucket: "models", Prefix: "sd/" }))).Contents.map((o) => o.Key).sort();
  out.pages = [];
  for await (const p of paginateListObjectsV2({ client: s3, pageSize: 1 }, { Bucket: "models", Prefix: "sd/" })) out.pages.push(...p.Contents.map((o) => o.Key));
  out.pages.sort();
  await s3.send(new PutObjectCommand({ Bucket: "models", Key: "sd/node", Body: "from node" }));
  out.put = await (await s3.send(new GetObjectCommand({ Bucket: "models", Key: "sd/node" }))).Body.transformToString();
  await s3.send(new PutObjectCommand({ Bucket: "models", Key: "other/new", Body: "x" })).catch((e) => (out.denied = e.name));
  process.stdout.write(JSON.stringify(out));
}

main(process.argv.slice(2)).catch((e) => {
  console.error(e);
  process.exit(1);
});
