//! Where a store is kept, and how it is opened again.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

use safelight_proto::{signer::v1::UploadKind, upload::Identity};
use safelight_signer::upload::{
    Store,
    store::{embedded::EmbeddedStore, postgres::PostgresStore},
};
use tempfile::TempDir;

use crate::postgres::Postgres;

const MAX_BYTES: u64 = 1000;
const BASE_URL: &str = "http://127.0.0.1:9/b/";

/// The digest of the upload rule of [`Place::config`].
pub(crate) fn upload_digest() -> String {
    Identity {
        kind: UploadKind::OneTime,
        object_key: "{id}",
        form_key: "",
        max_bytes: MAX_BYTES,
        content_types: &["image/png".to_owned()],
        overwrite: false,
        signing_key: "s3",
        base_url: BASE_URL,
        region: "auto",
        callback: "",
        callback_key: "",
    }
    .digest()
}

/// Where a store is kept. What is in it outlives the store.
pub(crate) struct Place {
    dir: TempDir,
    copies: usize,
    pub(crate) postgres: Option<Postgres>,
}

impl Place {
    /// A file.
    pub(crate) fn embedded() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), copies: 0, postgres: None }
    }

    /// A database, where there is PostgreSQL.
    pub(crate) fn postgres() -> Option<Self> {
        let postgres = Some(Postgres::start()?);
        Some(Self { postgres, ..Self::embedded() })
    }

    /// Both, as far as they are there.
    pub(crate) fn all() -> Vec<(&'static str, Self)> {
        let postgres = Self::postgres().map(|place| ("postgres", place));
        [("embedded", Self::embedded())].into_iter().chain(postgres).collect()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join(format!("upload-tokens-{}.redb", self.copies))
    }

    /// Opens the store.
    pub(crate) fn open(&self) -> Arc<dyn Store> {
        match &self.postgres {
            None => Arc::new(EmbeddedStore::open(&self.path()).unwrap()),
            Some(postgres) => Arc::new(PostgresStore::new(&postgres.url(), 4, None).unwrap()),
        }
    }

    /// What a process leaves that is killed now: for a file, that file as it is while it is open.
    pub(crate) fn crash(&mut self) {
        if self.postgres.is_none() {
            let from = self.path();
            self.copies += 1;
            fs::copy(from, self.path()).unwrap();
        }
    }

    /// The section of a configuration, with a key beside it, for a signer needs one.
    pub(crate) fn toml(&self) -> String {
        let file = |name: &str, content: &str| {
            let path = self.dir.path().join(name);
            if !path.exists() {
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
            }
            path.display().to_string()
        };
        let store = match &self.postgres {
            None => format!("path = {:?}", self.path().display().to_string()),
            Some(postgres) => {
                format!("store = \"postgres\"\nurl_file = {:?}", file("url", &postgres.file_url()))
            }
        };
        format!(
            "[upload_tokens]\n{store}\n[[keys]]\nname = \"web\"\nscheme = \"cloudflare-images\"\n\
             versions = [{{ id = 1, state = \"primary\", secret_file = {:?} }}]\n\
             [[grants]]\ncaller = \"anonymous\"\nmethods = [\"*\"]\nkeys = [\"*\"]\naccounts = [\"*\"]\n",
            file("secret", "fake-secret-of-the-upload-tests")
        )
    }

    /// [`Place::toml`] with an upload rule, as a file, which is there as long as the place is.
    pub(crate) fn config(&self) -> PathBuf {
        let path = self.dir.path().join("signer.toml");
        let uploads = format!(
            "[[keys]]\nname = \"s3\"\nscheme = \"aws-sigv4\"\n\
             versions = [{{ id = 1, state = \"primary\", access_key_id = \"AKIAFAKE\", secret_file = {:?} }}]\n\
             [[uploads]]\nname = \"pictures\"\nkind = \"one-time\"\nmax_bytes = {MAX_BYTES}\nsigning_key = \"s3\"\n\
             region = \"auto\"\nbase_url = \"{BASE_URL}\"\ncontent_types = [\"image/png\"]\n",
            self.dir.path().join("secret").display().to_string()
        );
        fs::write(&path, self.toml() + &uploads).unwrap();
        path
    }
}
