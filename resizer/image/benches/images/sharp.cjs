// sharp as a peer of `cargo bench-images`; program.rs beside this file says how it is spoken to.
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
        const [verb, ...values] = waiting.subarray(0, end).toString().trim().split(' ');
        waiting = waiting.subarray(end + 1);
        if (verb === 'load') {
            wanted = Number(values[0]);
            continue;
        }
        const [width, height, format, quality] = [Number(values[0]), Number(values[1]), values[2], Number(values[3])];
        const size = height > 0 ? { width, height, fit: 'cover' } : { width, fit: 'inside', withoutEnlargement: true };
        // PNG has no quality but by a palette: sharp's defaults.
        const settings = format === 'png' ? {} : { quality };
        const start = process.cpuUsage();
        const file = await sharp(picture).resize(size).toFormat(format, settings).toBuffer();
        const used = process.cpuUsage(start);
        process.stdout.write(`${used.user + used.system} ${file.length}\n`);
        process.stdout.write(file);
    }
    busy = false;
}

process.stdin.on('data', (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    next();
});
process.stdin.on('end', () => process.exit(0));
