//! What `--json` prints.

use safelight_chassis::BoxError;
use safelight_local::Stack;
use safelight_proto::signer::v1::{Key, ListKeysRequest};
use serde_json::{Value as Json, json};

use crate::{
    application::Env,
    demo::Shown,
    gallery::{Backend, Gallery, Privacy},
};

/// Where everything is, as one object. Addresses are `host:port`.
pub(crate) async fn of(
    stack: &Stack,
    backend: &Backend,
    gallery: &Gallery,
    shown: &Shown,
    env: &Env,
) -> Result<Json, BoxError> {
    let keys = stack.key_client().await?.list_keys(ListKeysRequest::default()).await?.into_inner().keys;
    let address = |endpoint: String| endpoint.trim_start_matches("http://").to_owned();
    Ok(json!({
        "signer": stack.signer.address().to_string(),
        "resizer": stack.resizer.address().to_string(),
        "http": stack.resizer.http().map(|address| address.to_string()),
        "admin": stack.admin.addr().to_string(),
        "origin": address(stack.s3.endpoint()),
        "files": stack.dir(),
        "keys": keys.iter().map(|key| json!({ "name": key.name, "scheme": scheme(key) })).collect::<Vec<_>>(),
        "signed_url": shown.signed_url,
        "public_url": shown.public_url,
        "upload_url": backend.new_upload(Privacy::Private).await?.url,
        "gallery": gallery.url(),
        "env": env.json(),
    }))
}

/// The scheme, as the configuration spells it.
fn scheme(key: &Key) -> String {
    let name = key.scheme().as_str_name();
    name.trim_start_matches("SCHEME_").to_ascii_lowercase().replace('_', "-")
}
