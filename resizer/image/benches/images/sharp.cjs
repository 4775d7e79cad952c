// Orders on standard input, one line of JSON each: `{load: LENGTH}` and so many bytes, or what to make of them. Answers on
// standard output: a line of JSON with CPU time in microseconds (user and system, all threads) and length, and the file.
'use strict';
const sharp = require('sharp');
const versions = sharp.versions;
sharp.concurrency(1);
sharp.cache(false);
process.stdout.write(`sharp ${versions.sharp} (libvips ${versions.vips})\n`);

let waiting = Buffer.alloc(0);
let picture = null;
let wanted = null;
let busy = false;

async function next() {
    if (busy) return;
    busy = true;
    for (;;) {
        if (wanted !== null) {
            if (waiting.length < wanted) break;
            picture = Buffer.from(waiting.subarray(0, wanted));
            waiting = waiting.subarray(wanted);
            wanted = null;
            continue;
        }
        const end = waiting.indexOf(10);
        if (end < 0) break;
        const order = JSON.parse(waiting.subarray(0, end).toString());
        waiting = waiting.subarray(end + 1);
        if (order.load !== undefined) {
            wanted = order.load;
            continue;
        }
        const size = { width: order.width, height: order.height, fit: order.fit, withoutEnlargement: order.fit === 'inside' };
        const start = process.cpuUsage();
        const file = await sharp(picture).resize(size).jpeg({ quality: order.quality }).toBuffer();
        const used = process.cpuUsage(start);
        process.stdout.write(`${JSON.stringify({ cpu: used.user + used.system, bytes: file.length })}\n`);
        process.stdout.write(file);
    }
    busy = false;
}

process.stdin.on('data', (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    next();
});
process.stdin.on('end', () => process.exit(0));
