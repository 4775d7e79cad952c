//! The backend of an application, such as those in `examples/`: what the signer knows of it, and what it needs to know.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use safelight_local::{Stack, keys};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::{gallery::ACCOUNT, lines::quoted};

/// The file of its bearer token, among the secrets.
const TOKEN_FILE: &str = "backend-token";
/// The file of its environment, in the stack's directory.
pub(crate) const ENV_FILE: &str = "backend.env";

/// A backend, as a caller of the signer.
#[derive(Debug)]
pub(crate) struct Application {
    token_file: PathBuf,
}

impl Application {
    /// Makes its token in the folder `secrets`; the second value is what `signer.toml` must say of it.
    ///
    /// # Errors
    /// The token cannot be made or written.
    pub(crate) fn make(secrets: &Path) -> io::Result<(Self, String)> {
        let (token_file, token) = keys::write_fresh(secrets, TOKEN_FILE)?;
        let sha256 = hex::encode(Sha256::digest(token));
        let caller = format!(
            r#"# The backend of an application, such as those in examples/. It needs no more than this.
[[tokens]]
caller = "backend"
sha256 = "{sha256}"

[[grants]]
caller = "backend"
methods = ["CreateUploadToken", "SignUrl", "BatchSignUrls"]
keys = ["web"]
accounts = ["{ACCOUNT}"]

"#
        );
        Ok((Self { token_file }, caller))
    }

    /// What it needs to know; `resizer` is `http://` and the address of the resizer's HTTP port.
    pub(crate) fn env(&self, stack: &Stack, resizer: &str) -> Env {
        Env(vec![
            ("SAFELIGHT_SIGNER", stack.signer.address().to_string()),
            ("SAFELIGHT_TOKEN_FILE", self.token_file.display().to_string()),
            ("SAFELIGHT_ACCOUNT", ACCOUNT.to_owned()),
            ("SAFELIGHT_KEY", "web".to_owned()),
            ("SAFELIGHT_UPLOAD_URL", format!("{resizer}/upload/{{account}}/{{token}}")),
            ("SAFELIGHT_PICTURE_URL", format!("{resizer}/local/{{id}}/{{variant}}")),
        ])
    }
}

/// Environment variables: names and values.
#[derive(Debug)]
pub(crate) struct Env(Vec<(&'static str, String)>);

impl Env {
    /// Writes them to [`ENV_FILE`] in `dir`, as a shell reads them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let mut text = String::new();
        for (name, value) in &self.0 {
            writeln!(text, "export {name}={}", quoted(value)).map_err(io::Error::other)?;
        }
        fs::write(dir.join(ENV_FILE), text)
    }

    /// The same as an object.
    pub(crate) fn json(&self) -> Json {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value.as_str()))).collect()
    }
}
