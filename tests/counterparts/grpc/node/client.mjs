// Calls a signer with grpc-js, with messages that `buf generate` (protoc-gen-es) made of the contract. Reads a question as
// JSON on stdin, writes the answers as JSON on stdout. Stands beside the generated code, and finds node_modules there.
import { readFileSync } from "node:fs";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, status } from "@grpc/grpc-js";

import { ResizerService } from "./safelight/resizer/v1/resizer_pb.js";
import { SignUrlRequestSchema, SignerService } from "./safelight/signer/v1/signer_pb.js";
import { Verdict, VerifierService, VerifyUrlRequestSchema } from "./safelight/signer/v1/verifier_pb.js";

const asked = JSON.parse(readFileSync(0, "utf8"));
const client = new Client(asked.address, credentials.createInsecure());

function call(method, request) {
    const path = `/${method.parent.typeName}/${method.name}`;
    const write = (message) => Buffer.from(toBinary(method.input, message));
    const read = (bytes) => fromBinary(method.output, bytes);
    const deadline = { deadline: Date.now() + 20_000 };
    return new Promise((resolve, reject) =>
        client.makeUnaryRequest(path, write, read, request, deadline, (error, answer) =>
            error ? reject(error) : resolve(answer)));
}

const { signUrl } = SignerService.method;
const ttl = { seconds: 60n, nanos: 0 };
const request = { key: asked.key, url: asked.url, expiry: { case: "ttl", value: ttl } };
const { signedUrl } = await call(signUrl, create(SignUrlRequestSchema, request));
const requestTarget = signedUrl.slice("https://images.example".length);
const verified = await call(
    VerifierService.method.verifyUrl, create(VerifyUrlRequestSchema, { key: asked.key, requestTarget }));
const error = await call(signUrl, create(SignUrlRequestSchema, { ...request, key: "no-such-key" }))
    .then(() => { throw new Error("signed with a key that does not exist"); }, (error) => error);
// npm has no package of Google's with ErrorInfo for protoc-gen-es: its strings stand in the details as they are.
const details = Buffer.concat(error.metadata.get("grpc-status-details-bin")).toString("latin1");
const found = (text) => (details.includes(text) ? text : null);
console.log(JSON.stringify({
    signed_url: signedUrl,
    valid: verified.verdict === Verdict.VALID,
    code: status[error.code],
    reason: found("KEY_NOT_FOUND"),
    domain: found("safelight.dev"),
    methods: ResizerService.methods.length,
}));
client.close();
