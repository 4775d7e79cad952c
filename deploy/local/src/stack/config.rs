//! What signer and resizer of the local stack are configured with.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{ACCESS_KEY_ID, BUCKET, Settings};
use crate::s3::REGION;

/// The route's path, and the delivery's: what both must say in the same words.
const PATH: &str = "/{account}/{key...}/{variant}";

/// Most bytes of a stored file.
const MAX_BYTES: &str = "20MiB";

/// `signer.toml`.
pub(super) fn signer(dir: &Path, secrets: &Path, resizer_token: &str, s3: &str) -> String {
    let tokens = dir.join("upload-tokens.redb");
    let tokens = tokens.display();
    let stored = format!(
        "max_bytes = \"{MAX_BYTES}\"\ncontent_types = [\"image/gif\", \"image/jpeg\", \"image/png\", \"image/webp\"]\n\
         signing_key = \"s3-photos\"\nregion = \"{REGION}\"\nbase_url = \"{s3}/{BUCKET}/\""
    );
    let secrets = secrets.display();
    let resizer = hex::encode(Sha256::digest(resizer_token));
    format!(
        r#"# Callers on the loopback interface may do everything with the made-up keys; the resizer, known by its
# token, only what it needs.
[[tokens]]
caller = "resizer"
sha256 = "{resizer}"

# What a valid URL names, or what is public.
[[grants]]
caller = "resizer"
methods = ["AuthorizeDelivery", "ListDeliveries"]
keys = ["web", "s3-photos"]

# Uploads that a token, a signed form or a grant lets in.
[[grants]]
caller = "resizer"
methods = ["BeginUpload", "AuthorizeUpload", "AuthorizeUploadParts", "FinishUpload", "ListUploadRules", "TakeUploadTasks",
    "EndUploadTask"]
keys = ["uploads", "s3-photos"]
accounts = ["*"]

# Objects that callers name themselves, in ResizeObject and Inspect.
[[grants]]
caller = "resizer"
methods = ["SignOriginRequest"]
keys = ["s3-photos"]
url_prefixes = ["{s3}/{BUCKET}/"]

# And those that they change, by UpdateObject and DeleteObject.
[[grants]]
caller = "resizer"
methods = ["SignOriginRequest"]
keys = ["s3-photos"]
url_prefixes = ["{s3}/{BUCKET}/"]
http_methods = ["HEAD", "COPY", "DELETE"]
buckets = {{ {BUCKET} = "{s3}/{BUCKET}/" }}

[[grants]]
caller = "anonymous"
methods = ["*"]
keys = ["*"]
accounts = ["*"]
http_methods = ["GET", "HEAD", "PUT"]

# The resizer's route, in the same words.
[[deliveries]]
name = "local"
path = "{PATH}"
url_key = "web"
public_variants = ["thumbnail"]
signing_key = "s3-photos"
region = "{REGION}"
base_url = "{s3}/{BUCKET}/"

[upload_tokens]
path = "{tokens}"
private_custom_ids = true

# The resizer's upload rules, in the same words.
[[uploads]]
name = "direct"
kind = "one-time"
{stored}

[[uploads]]
name = "signed-forms"
kind = "cloudinary"
key = "uploads"
{stored}

[[uploads]]
name = "services"
kind = "grant"
{stored}

# Made-up keys of the local stack, fresh at every start.
[[keys]]
name = "web"
scheme = "cloudflare-images"
max_ttl = "24h"
[[keys.versions]]
id = 1
state = "primary"
secret_file = "{secrets}/web-1"

[[keys]]
name = "uploads"
scheme = "cloudinary-upload"
identifier = "local-api-key"
[[keys.versions]]
id = 1
state = "primary"
secret_file = "{secrets}/uploads-1"

[[keys]]
name = "s3-photos"
scheme = "aws-sigv4"
[[keys.versions]]
id = 1
state = "primary"
access_key_id = "{ACCESS_KEY_ID}"
secret_file = "{secrets}/s3-photos-1"

"#
    )
}

/// `resizer.toml`.
pub(super) fn resizer(signer: &str, token_file: &Path, s3: &str, extra: &str, settings: &Settings) -> String {
    let Settings { limits, http, http_port, .. } = settings;
    let token_file = token_file.display();
    let delivery_url = match http_port {
        0 => String::new(), // which it will be is not known yet
        port => format!("delivery_url = \"http://127.0.0.1:{port}/local/{{id}}/{{variant}}\""),
    };
    let route = if settings.own_route {
        format!(
            "[[routes]]\npath = \"{PATH}\"\norigin = \"photos\"\nurl_key = \"web\"\nflexible = true\n\
             max_width = 1200\nmax_height = 1200\n{}",
            settings.route
        )
    } else {
        String::new()
    };
    format!(
        r#"[signer]
endpoint = "{signer}"
token_file = "{token_file}"

# It listens on this machine only.
[[grants]]
caller = "anonymous"
methods = ["*"]
origins = ["*"]
routes = ["*"]
uploads = ["*"]

[limits]
{limits}

[http]
listen = "127.0.0.1:{http_port}"
{http}

[origins.photos]
kind = "s3"
bucket = "{BUCKET}"
region = "{REGION}"
endpoint = "{s3}"
path_style = true
signing_key = "s3-photos"
allow_private_network = true

[variants.thumbnail]
width = 300
height = 300
fit = "cover"
public = true

[variants.card]
width = 800

{extra}
{route}

[[uploads]]
name = "direct"
kind = "one-time"
path = "/upload/{{account}}/{{token}}"
origin = "photos"
max_bytes = "{MAX_BYTES}"
cors = ["*"]
{delivery_url}

[[uploads]]
name = "signed-forms"
kind = "cloudinary"
path = "/v1_1/{{cloud}}/{{resource_type}}/upload"
key = "uploads"
origin = "photos"
max_bytes = "{MAX_BYTES}"
cors = ["*"]

[[uploads]]
name = "services"
kind = "grant"
origin = "photos"
max_bytes = "{MAX_BYTES}"
"#
    )
}
