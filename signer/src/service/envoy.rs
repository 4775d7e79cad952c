//! `envoy.service.auth.v3.Authorization`: Envoy asks whether it may pass a request on.
//!
//! Whatever an end user sends is answered, and every refusal with the same answer: an error would let the request
//! through where Envoy is told `failure_mode_allow`, and a second text would tell forgers how near they came.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use http::Method;
use safelight_proto::{
    envoy::{
        RpcStatus,
        config::core::v3::{
            Address, HeaderValue, HeaderValueOption, address, header_value_option::HeaderAppendAction,
        },
        service::auth::v3::{
            CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse, attribute_context::HttpRequest,
            authorization_server::Authorization, check_response::HttpResponse,
        },
        r#type::v3::{HttpStatus, StatusCode},
    },
    signer::v1::Reason,
};
use tonic::{Code, Request, Response, Status};

use super::{
    call::Call,
    verify::{is_origin, verify},
};
use crate::{keyring::KeyError, scheme::url::Presented, signer::Signer};

/// The context extension of Envoy's route that names the key.
const KEY: &str = "key";
/// Tells the upstream which version of the key signed.
const KEY_VERSION: &str = "x-safelight-key-version";
/// Tells the upstream until when it may let anyone keep what it answers, in Unix seconds.
const EXPIRES: &str = "x-safelight-expires";

/// A request that may be passed on.
pub(super) struct Passed {
    /// What the upstream is asked for.
    target: String,
    key_version: u32,
    /// In Unix seconds.
    expires: Option<u64>,
}

/// Why a request may not be passed on. For the audit trail and our log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Envoy's message is not about an HTTP request, or the request has no target, host or scheme that is one.
    Attributes,
    /// Neither GET nor HEAD.
    HttpMethod,
    /// The route does not name a key.
    KeyMissing,
    /// Envoy has no grant for the key.
    CallerDenied,
    /// The key cannot verify a URL.
    Key(KeyError),
    /// The URL does not verify.
    Url(Reason),
}

impl Refused {
    /// Whether Envoy's or our configuration is to blame, and not the end user.
    const fn is_misconfigured(self) -> bool {
        matches!(self, Self::KeyMissing | Self::CallerDenied | Self::Key(_))
    }

    /// Stable.
    fn reason(self) -> &'static str {
        match self {
            Self::Attributes => "ATTRIBUTES_INVALID",
            Self::HttpMethod => "HTTP_METHOD_REFUSED",
            Self::KeyMissing => "KEY_MISSING",
            Self::CallerDenied => "CALLER_DENIED",
            Self::Key(KeyError::NotFound) => "KEY_NOT_FOUND",
            Self::Key(KeyError::SchemeMismatch) => "KEY_SCHEME_MISMATCH",
            Self::Url(reason) => reason.as_str_name().trim_start_matches("REASON_"),
        }
    }
}

#[tonic::async_trait]
impl Authorization for Signer {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let judged = self.judge(&mut call, &request);
        let (verdict, reason, key_version) = match &judged {
            Ok(passed) => ("VALID", "OK", Some(passed.key_version)),
            Err(refused) => ("INVALID", refused.reason(), None),
        };
        match &judged {
            Ok(_) => {}
            Err(refused) if refused.is_misconfigured() => {
                let key = request.attributes.as_ref().and_then(|all| all.context_extensions.get(KEY));
                tracing::warn!(
                    reason,
                    key = key.map(|key| self.shown(key)),
                    "refused a request to Envoy: look at the `key` of its route, and at the grants for Check"
                );
            }
            Err(_) => tracing::info!(reason, "refused a request to Envoy"),
        }
        call.note(|entry| {
            entry.verdict = Some(verdict);
            entry.reason = reason.to_owned();
            entry.key_version = key_version;
        });
        call.end(Ok::<_, Status>(judged.map_or_else(|_| denied(), ok))).await
    }
}

impl Signer {
    /// A key's name as the log may show it: what stands in a wrong field may be a secret.
    fn shown<'a>(&self, key: &'a str) -> &'a str {
        if self.keyring().get(key).is_some() { key } else { "(not one that is configured)" }
    }

    /// The verdict on what Envoy asks about.
    fn judge(&self, call: &mut Call<'_>, request: &CheckRequest) -> Result<Passed, Refused> {
        let attributes = request.attributes.as_ref().ok_or(Refused::Attributes)?;
        let http = attributes.request.as_ref().and_then(|request| request.http.as_ref());
        let http = http.ok_or(Refused::Attributes)?;
        call.note(|entry| http.path.split('?').next().unwrap_or_default().clone_into(&mut entry.subject));
        if http.method != Method::GET.as_str() && http.method != Method::HEAD.as_str() {
            return Err(Refused::HttpMethod);
        }
        let origin = origin(http).ok_or(Refused::Attributes)?;
        let name = attributes.context_extensions.get(KEY).ok_or(Refused::KeyMissing)?;
        call.key(name).map_err(|_| Refused::CallerDenied)?;
        let ring = self.keyring();
        let key = ring.url(name).map_err(Refused::Key)?;
        let presented = Presented {
            target: &http.path,
            origin: Some(&origin),
            client: attributes.source.as_ref().and_then(|peer| peer.address.as_ref()).and_then(client),
            cookies: http.headers.get("cookie").map_or("", String::as_str),
            now: self.clock.now(),
        };
        let (verified, key_version) = verify(key, &presented).map_err(Refused::Url)?;
        let target = key.versions.upstream_target(&verified.authenticated_target);
        Ok(Passed { target, key_version, expires: verified.expires })
    }
}

/// The origin that the end user asked. A target without a slash would continue the host.
fn origin(http: &HttpRequest) -> Option<String> {
    let HttpRequest { scheme, host, path, .. } = http;
    let origin = format!("{scheme}://{host}");
    let sound = matches!(scheme.as_str(), "http" | "https") && path.starts_with('/') && is_origin(&origin);
    sound.then_some(origin)
}

/// The end user's address. Envoy writes IPv4 as such; a proxy in its place may map it into IPv6.
fn client(address: &Address) -> Option<IpAddr> {
    let Some(address::Address::SocketAddress(socket)) = &address.address else { return None };
    socket.address.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// The path is set, and no parameter taken out by Envoy, which would sort the query and write it anew: the upstream is
/// asked for bytes that were authenticated, however the proxy read the request.
fn ok(passed: Passed) -> CheckResponse {
    let mut headers =
        vec![header(":path", passed.target), header(KEY_VERSION, passed.key_version.to_string())];
    let mut headers_to_remove = Vec::new();
    match passed.expires {
        Some(expires) => headers.push(header(EXPIRES, expires.to_string())),
        // The end user's own would pass for ours.
        None => headers_to_remove.push(EXPIRES.to_owned()),
    }
    let http = HttpResponse::OkResponse(OkHttpResponse { headers, headers_to_remove });
    CheckResponse { status: Some(status(Code::Ok)), http_response: Some(http) }
}

/// What every refusal is.
fn denied() -> CheckResponse {
    let http = HttpResponse::DeniedResponse(DeniedHttpResponse {
        status: Some(HttpStatus { code: StatusCode::Forbidden.into() }),
        headers: vec![header("cache-control", "no-store".to_owned())],
        body: "Forbidden\n".to_owned(),
    });
    CheckResponse { status: Some(status(Code::PermissionDenied)), http_response: Some(http) }
}

fn status(code: Code) -> RpcStatus {
    RpcStatus { code: code.into(), ..RpcStatus::default() }
}

fn header(name: &str, value: String) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
    }
}
