//! Reads `[upload_tokens]` of the configuration. Without it, `UploadTokenService` is not served.
//!
//! ```toml
//! [upload_tokens]
//! store = "embedded"                 # a file of this process alone; or "postgres", for several signers
//! path = "/var/lib/safelight/upload-tokens.redb"   # embedded; made when it is not there, its folder is not
//! url_file = "/run/secrets/postgres-url"           # postgres; holds "postgres://user:password@host/database"; mode 0400 or 0440
//! ca_file = "/etc/safelight/postgres-ca.pem"       # postgres; authorities of the server's certificate (PEM), for a URL
//!                                    # with `sslmode=verify-full` (or `require`, which is the same here); read at start
//! connections = 8                    # postgres; 1 to 64
//! retention = "24h"                  # how long a token is kept beyond its expiry, the end of its lease and the moment that
//!                                    # it was redeemed or cancelled, at least a minute
//! private_custom_ids = false         # whether an image with an id of the caller's choice may require signed URLs
//! ```

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "postgres")]
use safelight_chassis::tls;
use safelight_chassis::{check::Finding, config::Section};
use serde::Deserialize;

use super::store::{
    Store,
    embedded::{self, EmbeddedStore},
};
#[cfg(feature = "postgres")]
use super::{
    store::postgres::{DEFAULT_CONNECTIONS, MAX_CONNECTIONS, PostgresStore},
    token::TokenId,
};
#[cfg(feature = "postgres")]
use crate::keyring::secret;

/// How long a token is kept once it is over, unless said otherwise.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// Shortest retention: time for a request to be repeated.
pub const MIN_RETENTION: Duration = Duration::from_secs(60);

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("upload_tokens.path: {0}")]
pub struct OpenError(#[from] embedded::OpenError);

/// What `[upload_tokens]` says.
pub struct Settings {
    store: Chosen,
    retention: Duration,
    private_custom_ids: bool,
}

enum Chosen {
    Embedded(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Arc<PostgresStore>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoreName {
    Embedded,
    Postgres,
}

impl Settings {
    /// Reads the section and the file with the URL. `None` where it is absent, or wrong (which is recorded).
    pub fn read(section: &mut Section) -> Option<Self> {
        Self::read_table(section).flatten()
    }

    /// The same; the inner `None` where it is wrong.
    pub(crate) fn read_table(section: &mut Section) -> Option<Option<Self>> {
        section.table("upload_tokens", read)
    }

    pub(super) fn store(&self) -> Result<Arc<dyn Store>, OpenError> {
        Ok(match &self.store {
            Chosen::Embedded(path) => Arc::new(EmbeddedStore::open(path)?),
            #[cfg(feature = "postgres")]
            Chosen::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
        })
    }

    /// The file of the embedded store, if it is that.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.store {
            Chosen::Embedded(path) => Some(path),
            #[cfg(feature = "postgres")]
            Chosen::Postgres(_) => None,
        }
    }

    /// Asks the database for a token that does not exist. An embedded store is not opened: one process has it at a time.
    pub(crate) async fn ask(&self) -> Finding {
        match &self.store {
            Chosen::Embedded(_) => Finding::fine("upload_tokens: embedded"),
            #[cfg(feature = "postgres")]
            Chosen::Postgres(store) => match store.get(TokenId([0; 32])).await {
                Ok(_) => Finding::fine("upload_tokens: the database answers"),
                Err(error) => Finding::problem(format!("upload_tokens: {error}")),
            },
        }
    }

    pub(super) const fn retention(&self) -> u64 {
        self.retention.as_secs()
    }

    pub(super) const fn private_custom_ids(&self) -> bool {
        self.private_custom_ids
    }
}

fn read(section: &mut Section) -> Option<Settings> {
    let name = section.or("store", StoreName::Embedded);
    let path = section.optional::<PathBuf>("path");
    let url_file = section.optional::<PathBuf>("url_file");
    let ca_file = section.optional::<PathBuf>("ca_file");
    let connections = section.optional::<usize>("connections");
    let private_custom_ids = section.or("private_custom_ids", false);
    let retention = section.duration("retention").unwrap_or(DEFAULT_RETENTION);
    if retention < MIN_RETENTION {
        section.error("retention", "expected at least 1m");
    }
    let store = match name {
        StoreName::Embedded => {
            for (key, is_set) in [
                ("url_file", url_file.is_some()),
                ("ca_file", ca_file.is_some()),
                ("connections", connections.is_some()),
            ] {
                if is_set {
                    section.error(key, "belongs to `store = \"postgres\"`");
                }
            }
            match path {
                Some(path) => Some(Chosen::Embedded(path)),
                None => {
                    section.error("path", "missing");
                    None
                }
            }
        }
        StoreName::Postgres => {
            if path.is_some() {
                section.error("path", "belongs to `store = \"embedded\"`");
            }
            open_postgres(section, url_file, ca_file, connections)
        }
    };
    Some(Settings { store: store?, retention, private_custom_ids })
}

/// What a store in PostgreSQL needs besides.
#[cfg(feature = "postgres")]
fn open_postgres(
    section: &mut Section,
    url_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    connections: Option<usize>,
) -> Option<Chosen> {
    let connections = connections.unwrap_or(DEFAULT_CONNECTIONS);
    if !(1..=MAX_CONNECTIONS).contains(&connections) {
        section.error("connections", "expected 1 to 64");
    }
    let tls = ca_file.map(|path| tls::client(&path)).transpose();
    let tls = tls.map_err(|error| section.error("ca_file", error.to_string())).ok();
    let url = match url_file {
        Some(path) => secret::read_text(&path, false).map_err(|error| error.to_string()),
        None => Err("missing".to_owned()),
    };
    let url = url.map_err(|error| section.error("url_file", error)).ok();
    // With one of the two unreadable, what they make together is guesswork.
    let store = PostgresStore::new(&url?, connections, tls?);
    let store = store.map_err(|error| section.error("url_file", error.to_string())).ok();
    store.map(|store| Chosen::Postgres(Arc::new(store)))
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(
    section: &mut Section,
    _url_file: Option<PathBuf>,
    _ca_file: Option<PathBuf>,
    _connections: Option<usize>,
) -> Option<Chosen> {
    section
        .error("store", "this signer was built without the feature postgres: the store can only be embedded");
    None
}

#[cfg(all(test, not(feature = "postgres")))]
mod without {
    use safelight_chassis::config;

    use super::*;

    #[test]
    fn postgresql_is_refused_with_the_reason() {
        let text = "[upload_tokens]\nstore = 'postgres'\nurl_file = '/run/secrets/url'\n";
        let said = config::read(text, Settings::read).map(|_| ()).unwrap_err().to_string();
        assert!(
            said.contains("upload_tokens.store: this signer was built without the feature postgres"),
            "{said}"
        );
    }
}
