// The vendors' own packages for Node sign URLs.
//
//     NODE_PATH=.../node_modules node url_sdks.js < QUESTION.json
//
// QUESTION: {"keys": {...}, "cases": [{"sdk", "expires", "starts", "client", "scope", "cookies", "extra", ...}]}
// Answer:   {"versions": {sdk: version}, "answers": [{"url", "signed", "cookies": {name: value}, "authenticated"}, ...]}
//
// `url` is what the SDK makes when it is not to sign, `signed` the same when it is. `authenticated`, where that is not
// `url`, is what was signed.

const fs = require("fs");

const { keys, cases } = JSON.parse(fs.readFileSync(0));
const iso = (seconds) => (seconds ? new Date(seconds * 1000).toISOString() : undefined);

// {"domain", "path", "params", "options"}
function imgix({ domain, path, params, options, expires }) {
  const Client = require("@imgix/js-core");
  const build = (secureURLToken, params) =>
    new Client({ domain, secureURLToken }).buildURL(path, params, options);
  const all = expires ? { ...params, expires } : params;
  return { url: build(null, params), authenticated: build(null, all), signed: build(keys.text, all) };
}

// {"endpoint", "source", "as", "options"}
function imgproxy({ endpoint, source, as, options }) {
  const { generateImageUrl } = require("@imgproxy/imgproxy-node");
  const build = (keys) =>
    generateImageUrl({ endpoint, url: { value: source, displayAs: as }, options, ...keys });
  return {
    url: build({}).replace("/insecure/", "/"),
    signed: build({ key: keys.hex, salt: keys.salt }),
  };
}

// {"url"}
function cloudfront({ url, algorithm, expires, starts, client, scope, cookies }) {
  const { getSignedUrl, getSignedCookies } = require("@aws-sdk/cloudfront-signer");
  const privateKey = algorithm === "ecdsa" ? keys.ecdsa : keys.rsa;
  const asked = { keyPairId: keys.key_pair_id, privateKey, url };
  if (algorithm !== "sha1") asked.algorithm = "SHA256";
  if (scope.length) {
    const Condition = { DateLessThan: { "AWS:EpochTime": expires } };
    asked.policy = JSON.stringify({ Statement: [{ Resource: scope[0], Condition }] });
  } else {
    Object.assign(asked, { dateLessThan: iso(expires), dateGreaterThan: iso(starts) });
    if (client) asked.ipAddress = client;
  }
  if (cookies) return { url, signed: url, cookies: getSignedCookies(asked) };
  const signed = getSignedUrl(asked);
  return { url: signed.slice(0, signed.search(/[?&](Expires|Policy)=/)), signed };
}

// {"origin", "target"}
function akamai({ origin, target, algorithm, escaped, expires, starts, client, scope, cookies, extra }) {
  const EdgeAuth = require("akamai-edgeauth");
  const tokenName = escaped ? "hdnts" : undefined;
  const edgeAuth = new EdgeAuth({
    tokenName,
    key: keys.hex,
    algorithm,
    salt: escaped ? keys.salt : undefined,
    startTime: starts || undefined,
    endTime: expires,
    ip: client || undefined,
    sessionId: extra.id,
    payload: extra.data,
    escapeEarly: escaped,
  });
  const token = scope.length ? edgeAuth.generateACLToken(scope) : edgeAuth.generateURLToken(target);
  const url = origin + target;
  const name = edgeAuth.options.tokenName;
  if (cookies) return { url, signed: url, cookies: { [name]: token } };
  return { url, signed: `${url}${target.includes("?") ? "&" : "?"}${name}=${token}` };
}

// What it makes of a webhook, or of an answer to an upload.
function cloudinaryVerifies({ webhook, answer }) {
  const { v2 } = require("cloudinary");
  v2.config({ api_secret: keys.text, signature_algorithm: "sha256" });
  if (webhook) {
    const { body, timestamp, signature } = webhook;
    return { valid: v2.utils.verifyNotificationSignature(body, timestamp, signature) };
  }
  return { valid: v2.utils.verify_api_response_signature(answer.public_id, answer.version, answer.signature) };
}

// {"public_id", "options", "long"}, or {"origin", "target"} for a token
function cloudinary({
  public_id, options, long, origin, target, expires, starts, client, scope, cookies, extra, webhook, answer,
}) {
  if (webhook || answer) return cloudinaryVerifies({ webhook, answer });
  const { v2 } = require("cloudinary");
  v2.config({ cloud_name: "demo", api_secret: keys.text, secure: true, urlAnalytics: false });
  if (public_id) {
    const build = (sign_url) =>
      v2.url(public_id, { ...options, sign_url, long_url_signature: long, signature_algorithm: "sha1" });
    const url = build(false);
    // Neither what stands before it nor the version is signed.
    const [, origin, path] = url.match(/^(https:\/\/[^/]+)\/demo\/\w+\/\w+\/(.*)$/);
    const message = extra.sign_version ? path : path.replace(/(^|\/)v\d+\//, "$1");
    return { url, authenticated: `${origin}/${message}`, signed: build(true) };
  }
  const [name, token] = v2.utils
    .generate_auth_token({
      key: keys.hex,
      ip: client || undefined,
      start_time: starts || undefined,
      expiration: expires,
      ...(scope.length ? { acl: scope } : { url: target }),
    })
    .split(/=(.*)/s);
  const url = origin + target;
  if (cookies) return { url, signed: url, cookies: { [name]: token } };
  return { url, signed: `${url}${target.includes("?") ? "&" : "?"}${name}=${token}` };
}

const sdks = {
  cloudinary,
  "@imgix/js-core": imgix,
  "@imgproxy/imgproxy-node": imgproxy,
  "@aws-sdk/cloudfront-signer": cloudfront,
  "akamai-edgeauth": akamai,
};
// Not all packages export their package.json.
const version = (sdk) =>
  JSON.parse(fs.readFileSync(`${process.env.NODE_PATH}/${sdk}/package.json`)).version;
const versions = Object.fromEntries(Object.keys(sdks).map((sdk) => [sdk, version(sdk)]));
const answers = cases.map((asked) => sdks[asked.sdk](asked));
process.stdout.write(JSON.stringify({ versions, answers }));
