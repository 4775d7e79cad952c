// A backend that lets browsers upload pictures and see them, and handles no picture itself. See ../README.md.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { credentials, loadPackageDefinition, Metadata } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import express from "express";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const files = ["safelight/signer/v1/upload_token.proto", "safelight/signer/v1/signer.proto"];
const definition = loadSync(files, { includeDirs: [here("../../proto")] }); // copy it with this file
const { SignerService, UploadTokenService } = loadPackageDefinition(definition).safelight.signer.v1;

const VARIANTS = ["card", "thumbnail"];
const MAX_BYTES = 10 * 1024 * 1024;
const TTL = { seconds: 600 };

const env = process.env;
const secured = env.SAFELIGHT_CA_FILE
    ? credentials.createSsl(readFileSync(env.SAFELIGHT_CA_FILE))
    : credentials.createInsecure();
const uploads = new UploadTokenService(env.SAFELIGHT_SIGNER, secured);
const signer = new SignerService(env.SAFELIGHT_SIGNER, secured);
const metadata = new Metadata();
metadata.set("authorization", `Bearer ${readFileSync(env.SAFELIGHT_TOKEN_FILE, "utf8").trim()}`);

/** Calls a method of a client; throws gRPC's error. */
const call = (client, method, request) => new Promise((resolve, reject) => {
    client[method](request, metadata, { deadline: Date.now() + 5_000 }, (error, answer) =>
        error ? reject(error) : resolve(answer));
});

/** Fills the {names} of a URL template. */
const fill = (template, values) =>
    template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));

const app = express();
app.use((request, response, next) => { response.set("Cache-Control", "no-store"); next(); });

app.get("/", (request, response) => response.sendFile("page.html", { root: here("..") }));

app.post("/upload-url", async (request, response) => {
    // Find out here who the user is, and whether they may upload.
    const account = env.SAFELIGHT_ACCOUNT;
    const { token, imageId } = await call(uploads, "createUploadToken", {
        account,
        requireSignedUrls: true,
        constraints: { maxBytes: MAX_BYTES },
    });
    response.json({ id: imageId, upload_url: fill(env.SAFELIGHT_UPLOAD_URL, { account, token }) });
});

app.get("/pictures/:id", async (request, response) => {
    // Find out here whether the user may see this picture: anyone who has the answer can.
    const { id } = request.params;
    const urls = VARIANTS.map((variant) => fill(env.SAFELIGHT_PICTURE_URL, { id, variant }));
    const { results } = await call(signer, "batchSignUrls", {
        key: env.SAFELIGHT_KEY,
        items: urls.map((url) => ({ url, ttl: TTL })),
        expiryWindow: TTL, // the same URLs for ten minutes, so that browsers have the pictures cached
    });
    const failed = results.find(({ error }) => error);
    if (failed) return response.status(400).json({ error: failed.error.reason });
    response.json(Object.fromEntries(results.map(({ signed }, index) => [VARIANTS[index], signed.signedUrl])));
});

app.use((error, request, response, next) => {
    console.error(error.message);
    if (response.headersSent) return next(error);
    const status = error.statusCode ?? 503; // Express's own errors have a status, gRPC's have none
    response.status(status).json({ error: status === 503 ? "try again later" : "bad request" });
});

app.listen(Number(env.PORT ?? 3000), "127.0.0.1");
