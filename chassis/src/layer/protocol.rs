//! What is not gRPC gets an HTTP status, and executes nothing.

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};

/// The media type of a gRPC request, before its `+proto` or parameters.
const GRPC: &[u8] = b"application/grpc";

/// The message format that is understood.
const PROTO: &[u8] = b"+proto";

/// Why a request is not gRPC: 405 for another method than POST, 415 for another content type.
pub(super) fn refuse<B>(request: &Request<B>) -> Option<Response<()>> {
    if request.method() != Method::POST {
        let mut response = answer(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    (!content_type.is_some_and(is_grpc)).then(|| answer(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// `application/grpc`, `application/grpc+proto`, either with parameters. Another message format than protobuf, such as
/// `+json`, would not be understood; `application/grpc-web` is another protocol. Media types ignore case.
fn is_grpc(content_type: &[u8]) -> bool {
    let Some((name, rest)) = content_type.split_at_checked(GRPC.len()) else { return false };
    let rest = match rest.split_at_checked(PROTO.len()) {
        Some((format, rest)) if format.eq_ignore_ascii_case(PROTO) => rest,
        _ => rest,
    };
    name.eq_ignore_ascii_case(GRPC) && matches!(rest.trim_ascii_start().first(), None | Some(b';'))
}

fn answer(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::is_grpc;

    #[test]
    fn grpc_is_known_by_its_content_type() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC", true),
            ("application/grpc+PROTO", true),
            ("application/grpc+Proto;charset=utf-8", true),
            ("application/grpc+PROTOS", false),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc+proto ; x=y", true),
            ("application/grpc+json", false),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("application/json", false),
            ("application", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }
}
