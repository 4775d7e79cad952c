// What a team writes in place of the services: Express takes a form, sharp makes variants, the AWS SDK stores them.
// One-time tokens are in memory. Prints a line of JSON with its name and port when it listens.
//
// POST /token               a token, as {"token": "…"}
// POST /upload/TOKEN        a form with a part "file". ?check=header: reads the picture's header alone; ?check=decode: decodes it to
//                           its end; ?check=variants: makes and stores three variants
'use strict';
const { randomUUID } = require('node:crypto');
const busboy = require('busboy');
const express = require('express');
const sharp = require('sharp');
const { PutObjectCommand, S3Client } = require('@aws-sdk/client-s3');

const WIDTHS = [320, 800, 1600];
const QUALITY = 85;
const MAX_BYTES = 20 * 1024 * 1024;
const TYPES = { jpeg: 'image/jpeg', png: 'image/png', webp: 'image/webp', gif: 'image/gif' };

const { S3_ENDPOINT, S3_REGION, S3_BUCKET, S3_KEY_ID, S3_SECRET } = process.env;
const s3 = new S3Client({
    endpoint: S3_ENDPOINT,
    region: S3_REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: S3_KEY_ID, secretAccessKey: S3_SECRET },
});

function put(key, body, type) {
    return s3.send(new PutObjectCommand({ Bucket: S3_BUCKET, Key: key, Body: body, ContentType: type }));
}

/** The file of a form. */
function receive(request) {
    return new Promise((resolve, reject) => {
        const parser = busboy({ headers: request.headers, limits: { files: 1, fileSize: MAX_BYTES } });
        let file = null;
        parser.on('file', (name, stream) => {
            const chunks = [];
            stream.on('data', (chunk) => chunks.push(chunk));
            stream.on('limit', () => reject(new Error('the file is too large')));
            stream.on('end', () => (file = Buffer.concat(chunks)));
        });
        parser.on('close', () => (file === null ? reject(new Error('there is no file')) : resolve(file)));
        parser.on('error', reject);
        request.on('aborted', () => reject(new Error('the upload broke off')));
        request.pipe(parser);
    });
}

const tokens = new Set();
const app = express();

app.post('/token', (request, response) => {
    const token = randomUUID();
    tokens.add(token);
    response.json({ token });
});

app.post('/upload/:token', async (request, response) => {
    const { token } = request.params;
    if (!tokens.delete(token)) {
        response.status(404).json({ error: 'no such token' });
        return;
    }
    try {
        const file = await receive(request);
        const { format, width, height } = await sharp(file).metadata();
        if (!(format in TYPES)) throw new Error('this is no picture that is taken');
        let variants = [];
        if (request.query.check === 'decode') {
            await sharp(file).resize(100, 100, { fit: 'inside' }).raw().toBuffer();
        } else if (request.query.check === 'variants') {
            const make = (width) =>
                sharp(file).autoOrient().resize({ width, withoutEnlargement: true }).jpeg({ quality: QUALITY }).toBuffer();
            variants = await Promise.all(WIDTHS.map(make));
        }
        const original = put(`peer/${token}`, file, TYPES[format]);
        await Promise.all([original, ...variants.map((made, at) => put(`peer/${token}-${WIDTHS[at]}`, made, TYPES.jpeg))]);
        response.json({ id: token, width, height, bytes: variants.map((made) => made.length) });
    } catch (error) {
        tokens.add(token);
        response.status(400).json({ error: error.message });
    }
});

const server = app.listen(0, '127.0.0.1', () => {
    const { version } = require('express/package.json');
    const name = `Node ${process.versions.node}, Express ${version}, sharp ${sharp.versions.sharp}`;
    process.stdout.write(`${JSON.stringify({ name, port: server.address().port })}\n`);
});
