'use strict';

const at = (id) => document.getElementById(id);

/** An element with properties and children. Text is never read as HTML. */
const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
};

/** What the resizer's reasons mean. Others are told in its own words. */
const WORDS = {
    FORMAT_UNSUPPORTED: 'This is not a JPEG, PNG, WebP or GIF picture.',
    IMAGE_CORRUPT: 'The picture is damaged or cut off.',
    IMAGE_TOO_LARGE: 'The picture has too many pixels.',
    UPLOAD_TOO_LARGE: 'The file is larger than 20 MiB.',
    UPLOAD_FORM_INVALID: 'The form is not right, or the file is empty.',
    TOKEN_ALREADY_REDEEMED: 'This URL was used before. An upload URL takes one picture.',
    TOKEN_EXPIRED: 'This URL has expired.',
};

const ask = async (path, method = 'GET') => {
    const answer = await fetch(path, { method }).catch(() => {
        throw new Error('The gallery does not answer; is cargo local running?');
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.message);
    return told;
};

/** Posts the file to a one-time URL, as a form with the part "file". */
const send = (url, file, onProgress) => new Promise((done, fail) => {
    const form = new FormData();
    form.append('file', file, file.name);
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.responseType = 'json';
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onload = () => {
        const told = request.response;
        if (told?.success) return done(told.result);
        const { reason, message } = told?.errors?.[0] ?? {};
        const words = WORDS[reason] ?? message ?? 'The upload was refused.';
        fail(new Error(`${words} (${[request.status, reason].filter(Boolean).join(' ')})`));
    };
    request.onerror = () => fail(new Error('The resizer could not be reached, or the connection broke off.'));
    request.send(form);
});

/** Uploads a file by a fresh URL and shows how far it is. Ends when the pictures are shown, or the upload failed. */
const upload = async (file, privacy) => {
    const progress = make('progress', { max: 1, value: 0, ariaLabel: `Upload of ${file.name}` });
    const outcome = make('span');
    const row = make('li', {}, make('span', { className: 'name', title: file.name }, file.name), progress, outcome);
    at('uploads').prepend(row);
    const say = (className, text, ...more) => {
        outcome.className = className;
        outcome.replaceChildren(text, ...more);
    };
    try {
        const { upload_url: url } = await ask(`/api/upload-url?privacy=${privacy}`, 'POST');
        say('', 'Sending …');
        const { image } = await send(url, file, (part) => {
            progress.value = part;
            if (part === 1) say('', 'Sent; the resizer checks and stores it …');
        });
        progress.value = 1;
        const again = make('button', { type: 'button' }, 'Use its URL again');
        again.onclick = async () => {
            again.disabled = true;
            await send(url, file, () => {}).then(
                () => say('bad', 'The URL was taken a second time, which must not happen.'),
                (error) => say('', make('span', { className: 'good' }, 'Stored. '),
                    make('span', { className: 'again' }, `Second use refused: ${error.message}`)),
            );
        };
        say('good', `Stored, ${privacy}: ${image.width}×${image.height}, ${image.size.toLocaleString('en')} bytes`, again);
    } catch (error) {
        row.className = 'failed';
        say('bad', error.message);
        return;
    }
    await show();
};

/** Ends with the last upload. Files are uploaded one after the other. */
let uploads = Promise.resolve();
const uploadAll = (files) => {
    const privacy = document.querySelector('[name=privacy]:checked').value;
    for (const file of files) uploads = uploads.then(() => upload(file, privacy));
};

/** A picture by its URL, or what stands in its place. `known` resolves once the browser knows which. */
const view = (title, caption, url, instead, className = '') => {
    const image = make('img', { alt: title });
    const figure = make('figure', { className }, image,
        make('figcaption', {}, make('strong', {}, title), caption));
    const known = new Promise((done) => {
        image.onload = () => {
            figure.dataset.shown = `${image.naturalWidth}x${image.naturalHeight}`;
            done();
        };
        image.onerror = () => {
            figure.dataset.shown = 'none';
            image.replaceWith(make('div', { className: 'refused' }, make('strong', {}, 'No picture'), instead));
            done();
        };
    });
    image.src = url;
    return { figure, known };
};

/** What the server was answered when it asked without a signature. */
const told = ({ variant, url, status, reason }) => make('a', { href: url, target: '_blank', rel: 'noreferrer' },
    make('code', {}, `${variant}: ${[status, reason].filter(Boolean).join(' ')}`));

/** Shows all pictures. */
const show = async () => {
    try {
        const { pictures } = await ask('/api/pictures');
        const asked = new Date().toLocaleTimeString('en-GB');
        const items = pictures.map(({ private: isPrivate, signed, unsigned }) => {
            const expired = 'The URL may have expired: load the page again.';
            const views = signed.map(({ variant, url }, index) => view(
                'By signed URL', make('code', {}, variant), url, expired, index ? 'square' : '',
            ));
            const { url, status, reason } = unsigned.at(-1);
            const answers = make('span', {}, ...unsigned.flatMap((one) => [told(one), make('br')]), `asked at ${asked}`);
            const words = [status, reason].filter(Boolean).join(' ');
            views.push(view('What a stranger sees', answers, url, words, 'square stranger'));
            return { privacy: isPrivate ? 'Private' : 'Public', views };
        });
        at('pictures').replaceChildren(...items.map(({ privacy, views }) => make('li', {},
            make('p', { className: 'privacy' }, privacy),
            make('div', { className: 'views' }, ...views.map(({ figure }) => figure)))));
        at('message').textContent = pictures.length ? '' : 'None yet.';
        await Promise.all(items.flatMap(({ views }) => views.map(({ known }) => known)));
    } catch (error) {
        at('message').textContent = `The pictures cannot be listed. ${error.message}`;
    }
};

/** A drawn sunset, as a JPEG file. */
const drawn = async (name, width, height) => {
    const canvas = make('canvas', { width, height });
    const context = canvas.getContext('2d');
    const sky = context.createLinearGradient(0, 0, 0, height);
    [['#2b3a67', 0], ['#e07a5f', .6], ['#3d405b', .62], ['#1d2038', 1]].forEach(([color, stop]) => sky.addColorStop(stop, color));
    context.fillStyle = sky;
    context.fillRect(0, 0, width, height);
    context.fillStyle = '#f2cc8f';
    context.arc(width / 2, height * .55, Math.min(width, height) / 8, 0, 2 * Math.PI);
    context.fill();
    return new File([await new Promise((done) => canvas.toBlob(done, 'image/jpeg', .9))], name);
};

/**
 * With `?demo` pictures that the page draws and a file that is no picture are dropped, and a URL is used again: first a private
 * picture, then a public one that is taller than the route allows.
 */
const demo = async () => {
    const dropAll = (...files) => {
        const dataTransfer = new DataTransfer();
        for (const file of files) dataTransfer.items.add(file);
        at('drop').dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
        return uploads;
    };
    await dropAll(new File(['This is no picture.'], 'notes.txt'), await drawn('sunset.jpg', 960, 720));
    document.querySelector('[value=public]').click();
    await dropAll(await drawn('tower.jpg', 400, 1600));
    await at('uploads').querySelector('button')?.onclick();
    document.body.dataset.demo = 'done';
};

const drop = at('drop');
// Anywhere on the page: a file that misses the zone would replace the page.
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    uploadAll([...event.dataTransfer.files]);
});
drop.addEventListener('dragenter', () => drop.classList.add('over'));
drop.addEventListener('dragleave', (event) => drop.contains(event.relatedTarget) || drop.classList.remove('over'));
at('file').addEventListener('change', (event) => {
    uploadAll([...event.target.files]);
    event.target.value = '';
});
at('again').onclick = show;
show().then(() => new URLSearchParams(location.search).has('demo') && demo());
