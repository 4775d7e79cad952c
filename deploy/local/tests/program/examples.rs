//! The backends of `examples/` as processes, beside `cargo local`: what a browser has from them, and what strangers have not.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Cursor,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use safelight_chassis::server::Server;
use safelight_local::running::Running;
use safelight_signer::{Clock, Signer};
use safelight_tests::counterpart;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{Serving, get, post_file, send};

/// How long a backend may take to listen: Python compiles the contract, on a machine that is busy.
const START: Duration = Duration::from_secs(60);
/// Lines of code of a backend, comments among them: it is to be read, and copied.
const MAX_LINES: usize = 80;
/// What installations and builds leave beside the sources.
const MADE: [&str; 4] = ["node_modules", "gen", "venv", "__pycache__"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A copy of `examples/`, and of the contract where they look for it.
fn copy() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for name in ["examples", "proto/safelight"] {
        copy_folder(&root().join(name), &place.path().join(name));
    }
    fs::copy(root().join("buf.yaml"), place.path().join("buf.yaml")).unwrap();
    place
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(file.file_name());
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to).unwrap();
        } else if !MADE.iter().any(|made| file.file_name() == *made) {
            copy_folder(&file.path(), &to);
        }
    }
}

/// A backend that can be started.
struct Example {
    place: TempDir,
    language: &'static str,
    program: PathBuf,
    arguments: &'static [&'static str],
}

impl Example {
    fn new(place: TempDir, language: &'static str, program: PathBuf, arguments: &'static [&str]) -> Self {
        Self { place, language, program, arguments }
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("examples").join(self.language)
    }

    /// Starts it with what `--json` says it needs, and these variables instead or besides.
    fn start(&self, shown: &Json, others: &[(&str, OsString)]) -> Backend {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = self.folder().join("log");
        let mut command = Command::new(&self.program);
        command.args(self.arguments).current_dir(self.folder()).env("PORT", port.to_string());
        for (name, value) in shown["env"].as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        command.envs(others.iter().cloned()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let mut backend =
            Backend { child: command.spawn().unwrap(), url: format!("http://127.0.0.1:{port}/") };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = backend.child.try_wait().unwrap();
            let log = || fs::read_to_string(&log).unwrap();
            assert!(ended.is_none() && began.elapsed() < START, "{}: {ended:?}\n{}", self.language, log());
            thread::sleep(Duration::from_millis(50));
        }
        backend
    }
}

/// A backend that serves, until dropped.
struct Backend {
    child: Child,
    url: String,
}

impl Backend {
    /// Status and JSON of an answer that must not be cached.
    fn ask(&self, method: &str, path: &str) -> (u16, Json) {
        let (head, body) = send(method, &format!("{}{path}", self.url), &[], b"");
        assert!(head.contains("\r\ncache-control: no-store"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/json"), "{head}");
        (status(&head), serde_json::from_slice(&body).unwrap())
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A file whose left half is red and whose right half is blue.
fn two_halves(width: u32, height: u32) -> Vec<u8> {
    let color = |x| if x < width / 2 { image::Rgb([220, 0, 0]) } else { image::Rgb([0, 0, 220]) };
    let mut file = Cursor::new(Vec::new());
    image::RgbImage::from_fn(width, height, |x, _| color(x))
        .write_to(&mut file, image::ImageFormat::Jpeg)
        .unwrap();
    file.into_inner()
}

/// A picture's size, when it has the halves.
fn size_of_two_halves(file: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory(file).unwrap().into_rgb8();
    let (width, height) = picture.dimensions();
    let [left, right] = [width / 4, width * 3 / 4].map(|x| picture.get_pixel(x, height / 2).0);
    assert!(left[0] > 180 && left[2] < 40 && right[2] > 180 && right[0] < 40, "{left:?} {right:?}");
    (width, height)
}

fn failed() -> (u16, Json) {
    (503, serde_json::json!({ "error": "try again later" }))
}

/// What a browser does by the backend, and what the backend does where it is asked for what cannot be, or is not let in.
fn check(example: &Example) {
    let mut serving = Serving::start(&["--json"]);
    let shown: Json = serde_json::from_str(&serving.read_to("\n")).unwrap();
    let backend = example.start(&shown, &[]);
    let (head, page) = get(&backend.url);
    assert!(status(&head) == 200 && head.contains("\r\ncontent-type: text/html"), "{head}");
    assert_eq!(page, fs::read(example.place.path().join("examples/page.html")).unwrap());

    let (status_code, told) = backend.ask("POST", "upload-url");
    assert_eq!(status_code, 200, "{told}");
    let (id, upload_url) = (told["id"].as_str().unwrap(), told["upload_url"].as_str().unwrap());
    let file = two_halves(1000, 500);
    let stored = post_file(upload_url, &file);
    assert_eq!((&stored["result"]["id"], &stored["result"]["requireSignedURLs"]), (&id.into(), &true.into()));
    let again = post_file(upload_url, &file);
    assert_eq!(again["errors"][0]["reason"], "TOKEN_ALREADY_REDEEMED", "{again}");

    let (status_code, urls) = backend.ask("GET", &format!("pictures/{id}"));
    assert_eq!((status_code, urls.as_object().unwrap().len()), (200, 2), "{urls}");
    for (variant, size, to_strangers) in [("card", (800, 400), 403), ("thumbnail", (300, 300), 404)] {
        let url = urls[variant].as_str().unwrap();
        let (head, picture) = get(url);
        assert_eq!(status(&head), 200, "{head}");
        assert_eq!(size_of_two_halves(&picture), size);
        // Without the signature, and with one that was changed.
        let (unsigned, _) = url.split_once('?').unwrap();
        for url in [unsigned.to_owned(), url.replace("sig=", "sig=0")] {
            assert_eq!(status(&get(&url).0), to_strangers, "{url}");
        }
    }
    // Browsers have the pictures cached: the same URLs for some time. They may cross the end of a window between two.
    let asked = [(); 3].map(|()| backend.ask("GET", &format!("pictures/{id}")));
    assert!(asked[0] == asked[1] || asked[1] == asked[2], "{asked:?}");

    let (status_code, told) = backend.ask("GET", &format!("pictures/{}", "a".repeat(9000)));
    assert_eq!((status_code, &told["error"]), (400, &"INPUT_TOO_LONG".into()));
    // An id stays one part of the path, whatever is in it.
    let (_, told) = backend.ask("GET", "pictures/a%3Fb%23%7Bvariant%7D");
    let url = told["card"].as_str().unwrap();
    assert!(url.contains("/local/a%3Fb%23%7Bvariant%7D/card?exp="), "{url}");
    drop(backend);

    // A backend that is not let in has the cause in its own log alone.
    let token = example.place.path().join("wrong-token");
    fs::write(&token, "wrong").unwrap();
    let backend = example.start(&shown, &[("SAFELIGHT_TOKEN_FILE", token.into())]);
    assert_eq!(backend.ask("POST", "upload-url"), failed());
    assert_eq!(backend.ask("GET", &format!("pictures/{id}")), failed());
    drop(backend);
    over_tls(example, &shown);
}

/// The signer's certificate is looked at.
fn over_tls(example: &Example, shown: &Json) {
    let folder = example.place.path();
    let [signer, other] = ["signer", "other"].map(|name| {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [certificate, key] = ["crt", "key"].map(|end| folder.join(format!("{name}.{end}")));
        fs::write(&certificate, certified.cert.pem()).unwrap();
        fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
        (certificate, key)
    });
    // The same signer again, with files of its own.
    let files = Path::new(shown["files"].as_str().unwrap());
    let mut text = fs::read_to_string(files.join("signer.toml")).unwrap();
    for name in ["upload-tokens.redb", "audit.jsonl"] {
        let (theirs, ours) = (files.join(name), folder.join(name));
        assert!(text.contains(theirs.to_str().unwrap()), "{name}");
        text = text.replace(theirs.to_str().unwrap(), ours.to_str().unwrap());
    }
    text += &format!("[tls]\ncert_file = '{}'\nkey_file = '{}'\n", signer.0.display(), signer.1.display());
    let config = safelight_signer::Config::read(&text).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.block_on(async {
        let server = Server::new(safelight_signer::limits());
        Running::start(Signer::open(config, Clock::system()).unwrap().add_to(server), 0).await.unwrap()
    });
    let address = format!("localhost:{}", running.address().port());
    for (ca, expected) in [(signer.0, 200), (other.0, 503)] {
        let others = [("SAFELIGHT_SIGNER", address.clone().into()), ("SAFELIGHT_CA_FILE", ca.into())];
        let backend = example.start(shown, &others);
        assert_eq!(backend.ask("POST", "upload-url").0, expected);
    }
}

fn python() -> Option<Example> {
    Some(Example::new(copy(), "python", counterpart::python()?, &["server.py"]))
}

fn node() -> Option<Example> {
    let (program, modules) = (counterpart::program("node")?, counterpart::node_modules()?);
    let example = Example::new(copy(), "node", program, &["server.js"]);
    // Modules of Node's own kind are looked for beside the program, and not where NODE_PATH says.
    std::os::unix::fs::symlink(modules, example.folder().join("node_modules")).unwrap();
    Some(example)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn in_python() {
    let Some(example) = python() else { return };
    check(&example);
}

#[test]
fn in_node() {
    let Some(example) = node() else { return };
    check(&example);
}

#[test]
fn in_go() {
    let found = ["go", "buf", "protoc-gen-go", "protoc-gen-go-grpc"].map(counterpart::program);
    let [Some(go), Some(buf), Some(_), Some(_)] = found else { return };
    let place = copy();
    let folder = place.path().join("examples/go");
    run(Command::new(buf).current_dir(&folder).args(["generate", "../../proto"]));
    let mut build = Command::new(go);
    build.current_dir(&folder).env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("GOFLAGS", "");
    run(build.args(["build", "-mod=readonly", "-o", "server", "."]));
    check(&Example::new(place, "go", folder.join("server"), &[]));
}

/// The page in a browser: a file is chosen, and its two variants are shown.
#[test]
fn the_page_in_chromium() {
    let (Some(chromium), Some(example)) = (counterpart::program("chromium"), python()) else { return };
    // What a person would do, at the end of the page: chooses a file that is drawn.
    let page = example.place.path().join("examples/page.html");
    let text = fs::read_to_string(&page).unwrap();
    let (text, end) = text.split_once("</body>").unwrap();
    let person = r"<script>
        const canvas = Object.assign(document.createElement('canvas'), { width: 1000, height: 500 });
        canvas.getContext('2d').fillRect(0, 0, 400, 400);
        canvas.toBlob((blob) => {
            const chosen = new DataTransfer();
            chosen.items.add(new File([blob], 'drawn.png'));
            at('file').files = chosen.files;
            at('file').dispatchEvent(new Event('change'));
        });
        for (const id of ['card', 'thumbnail'])
            at(id).onload = () => { at(id).dataset.shown = `${at(id).naturalWidth}x${at(id).naturalHeight}`; };
        </script>";
    fs::write(page, [text, person, "</body>", end].concat()).unwrap();
    let mut serving = Serving::start(&["--json"]);
    let shown: Json = serde_json::from_str(&serving.read_to("\n")).unwrap();
    let backend = example.start(&shown, &[]);
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--dump-dom", "--timeout=20000", "--virtual-time-budget=20000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(&backend.url)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    for what in ["data-shown=\"800x400\"", "data-shown=\"300x300\"", ">Stored as "] {
        assert!(dom.contains(what), "{what}\n{dom}");
    }
}

/// The file of this name, as `docs/nextjs.md` has it.
fn of_the_recipe(name: &str) -> String {
    let text = fs::read_to_string(root().join("docs/nextjs.md")).unwrap();
    let (_, rest) = text.split_once(&format!("\n```js\n// {name}\n")).unwrap();
    rest.split_once("\n```\n").unwrap().0.to_owned()
}

/// What of the recipe for Next.js runs without it: URLs for a `srcset`, of the widths that its configuration asks for.
#[test]
fn the_server_of_the_recipe_for_nextjs() {
    let Some(example) = node() else { return };
    fs::write(example.folder().join("pictures.js"), of_the_recipe("lib/pictures.js")).unwrap();
    fs::write(example.folder().join("next.config.cjs"), of_the_recipe("next.config.js")).unwrap();
    let mut serving = Serving::start(&["--json"]);
    let shown: Json = serde_json::from_str(&serving.read_to("\n")).unwrap();
    let stored = post_file(shown["upload_url"].as_str().unwrap(), &two_halves(1600, 800));
    let page = "import { signedUrls, srcSet, WIDTHS } from './examples/node/pictures.js';
        import config from './examples/node/next.config.cjs';
        const urls = await signedUrls(process.argv[1]);
        const { imageSizes, deviceSizes } = config.images;
        console.log(JSON.stringify({ urls, srcSet: srcSet(urls), WIDTHS, asked: [...imageSizes, ...deviceSizes] }));
        process.exit();";
    let mut command = Command::new(&example.program);
    command.current_dir(example.place.path()).args(["--input-type=module", "-e", page, "--"]);
    command.arg(stored["result"]["id"].as_str().unwrap());
    for (name, value) in shown["env"].as_object().unwrap() {
        command.env(name, value.as_str().unwrap());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["asked"], told["WIDTHS"]);
    let widths = told["WIDTHS"].as_array().unwrap();
    let set: Vec<_> = told["srcSet"].as_str().unwrap().split(", ").collect();
    assert_eq!((set.len(), told["urls"].as_object().unwrap().len()), (widths.len(), widths.len()));
    for (width, one) in widths.iter().map(|width| u32::try_from(width.as_u64().unwrap()).unwrap()).zip(set) {
        let (url, descriptor) = one.split_once(' ').unwrap();
        assert_eq!(
            (&told["urls"][width.to_string()], descriptor),
            (&url.into(), format!("{width}w").as_str())
        );
        assert_eq!(size_of_two_halves(&get(url).1), (width, width / 2));
        assert_eq!(status(&get(url.split_once('?').unwrap().0).0), 403);
    }
}

#[test]
fn each_is_short() {
    for name in ["python/server.py", "node/server.js", "go/main.go"] {
        let text = fs::read_to_string(root().join("examples").join(name)).unwrap();
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!((20..=MAX_LINES).contains(&lines), "{name}: {lines}");
        assert!(text.lines().all(|line| line.chars().count() <= 130), "{name}");
    }
}
