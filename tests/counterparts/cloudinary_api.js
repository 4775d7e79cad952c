// Cloudinary's SDK for Node uploads a picture: node cloudinary_api.js UPLOAD_PREFIX SECRET FILE, with NODE_PATH.
// Prints one JSON object.
const [prefix, secret, file] = process.argv.slice(2);
process.env.CLOUDINARY_URL = `cloudinary://local-api-key:${secret}@demo?upload_prefix=${prefix}&signature_algorithm=sha256`;
const fs = require("fs");
const cloudinary = require("cloudinary").v2;

// Also of a promise that the SDK rejects with its own object.
const attempt = async (promise) => {
  try {
    return { answer: await promise };
  } catch (error) {
    return { error: { code: error.http_code, message: error.message } };
  }
};

const main = async () => {
  const uploader = cloudinary.uploader;
  const named = await attempt(uploader.upload(file, {
    folder: "holiday", public_id: "beach", tags: ["a", "b"], context: { alt: "x" }, type: "private",
  }));
  const { public_id, version, signature } = named.answer || {};
  const verified = cloudinary.utils.verify_api_response_signature(public_id, version, signature);
  const unnamed = await attempt(uploader.upload(file));
  const again = await attempt(uploader.upload(file, { use_filename: true, unique_filename: false }));
  const data = "data:image/jpeg;base64," + fs.readFileSync(file).toString("base64");
  const uri = await attempt(uploader.upload(data, { public_id: "uri" }));
  const streamed = await attempt(new Promise((resolve, reject) => {
    const done = (error, answer) => (error ? reject(error) : resolve(answer));
    fs.createReadStream(file).pipe(uploader.upload_stream({ public_id: "streamed" }, done));
  }));
  const remote = await attempt(uploader.upload("https://example.com/a.jpg", { public_id: "remote" }));
  const unserved = await attempt(uploader.upload(file, { public_id: "m", moderation: "manual" }));
  const forged = await attempt(uploader.upload(file, { public_id: "f", api_secret: "another" }));
  console.log(JSON.stringify({ named, verified, unnamed, again, uri, streamed, remote, unserved, forged }));
};
main();
