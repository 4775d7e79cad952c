// Cloudinary's Node SDK signs, and posts an upload to a server of this script, which tells what it was sent.
//
//     NODE_PATH=.../node_modules node cloudinary_upload.js < QUESTION.json
//
// QUESTION: {"secret", "api_key", "cases": [{"algorithm", "parameters"}], "upload": {options of uploader.upload}}
// Answer:   {"signatures": [...], "form": [[name, value], ...]}

const fs = require("fs");
const http = require("http");

const question = JSON.parse(fs.readFileSync(0));

function fields(contentType, body) {
  const boundary = contentType.match(/boundary=(.+)$/)[1];
  return body
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const [head, ...rest] = part.split("\r\n\r\n");
      return [head.match(/name="([^"]*)"/)[1], rest.join("\r\n\r\n").replace(/\r\n$/, "")];
    });
}

async function received(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return fields(request.headers["content-type"], Buffer.concat(chunks).toString());
}

let form;
const server = http.createServer(async (request, response) => {
  form = await received(request);
  response.end("{}");
});
server.listen(0, "127.0.0.1", async () => {
  const prefix = encodeURIComponent(`http://127.0.0.1:${server.address().port}`);
  // Read when the module is loaded.
  process.env.CLOUDINARY_URL =
    `cloudinary://${question.api_key}:${question.secret}@cloud?upload_prefix=${prefix}`;
  const cloudinary = require("cloudinary").v2;

  await cloudinary.uploader.upload("data:text/plain;base64,Ynl0ZXM=", question.upload);
  const signatures = question.cases.map(({ algorithm, parameters }) =>
    cloudinary.utils.api_sign_request(parameters, question.secret, algorithm),
  );
  process.stdout.write(JSON.stringify({ signatures, form }), () => process.exit(0));
});
