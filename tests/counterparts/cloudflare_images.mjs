// Signs URLs of Cloudflare Images as its documentation describes, on the parts that a Worker has: URL and WebCrypto.
//
//     node cloudflare_images.mjs < QUESTION.json
//
// QUESTION: {"secret", "expires" (Unix seconds), "urls": [...]}
// Answer:   [signed URL, ...]

import { readFileSync } from "node:fs";

const { secret, expires, urls } = JSON.parse(readFileSync(0));
const bytes = (text) => new TextEncoder().encode(text);
const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);

async function sign(text) {
  const url = new URL(text);
  url.searchParams.set("exp", String(expires));
  const mac = await crypto.subtle.sign("HMAC", key, bytes(`${url.pathname}?${url.searchParams}`));
  url.searchParams.set("sig", Buffer.from(mac).toString("hex"));
  return url.href;
}

console.log(JSON.stringify(await Promise.all(urls.map(sign))));
