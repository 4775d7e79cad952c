//! Who asked, of which scheme and host: by the connection and the request, or by what trusted proxies say of theirs.
//!
//! A header that a client can send is believed only from a trusted proxy, which must write it or take it away: what it
//! passes on of an `X-Forwarded-Host` is believed as its own. Lists are read from the right, where the nearest proxy writes:
//! the viewer is the first address that is no trusted proxy's. They are split as bytes: what is no text, or no address, is a
//! hop that is not known, and never one that is left out.

use std::{net::IpAddr, str::FromStr as _};

use http::{HeaderMap, HeaderName, header, uri::Authority};
use ipnet::IpNet;
use safelight_chassis::{config::Section, http::Peer};
use safelight_proto::reason::CallError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Proxies that are believed. [`Default`]: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    headers: Headers,
}

/// The headers that the proxies write. Others may have come from the client, through them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Headers {
    /// `X-Forwarded-For`, `-Proto`, `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Who asked, and of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Viewer {
    /// Scheme and authority, as in `https://img.example.com`; `None` of an HTTP/1.0 request without `Host`.
    pub(super) origin: Option<String>,
    /// The viewer's address; `None` when a proxy hides it.
    pub(super) client: Option<IpAddr>,
}

/// What one proxy says of its own client.
#[derive(Debug, Default)]
struct Hop {
    client: Option<IpAddr>,
    scheme: Option<String>,
    host: Option<String>,
}

impl Proxies {
    /// Reads `trusted_proxies` and `forwarded_headers`.
    pub(super) fn read(section: &mut Section) -> Self {
        let texts: Vec<String> = section.or("trusted_proxies", Vec::new());
        let net = |text: &String| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
        let trusted: Vec<IpNet> = texts.iter().filter_map(net).collect();
        if trusted.len() < texts.len() {
            section.error("trusted_proxies", "must be addresses and ranges such as \"10.0.0.0/8\"");
        }
        let headers = match section.optional::<String>("forwarded_headers").as_deref() {
            None | Some("x-forwarded") => Headers::XForwarded,
            Some("forwarded") => Headers::Forwarded,
            Some(_) => {
                section.error("forwarded_headers", "must be \"x-forwarded\" or \"forwarded\"");
                Headers::XForwarded
            }
        };
        Self { trusted, headers }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// Finds viewer and origin. `authority` is that of the target: of HTTP/2, or of an absolute URL.
    pub(super) fn viewer(
        &self,
        peer: Peer,
        authority: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Viewer, CallError> {
        let scheme = if peer.is_tls { "https" } else { "http" };
        let mut hop = Hop {
            client: peer.remote.map(|remote| remote.ip().to_canonical()),
            scheme: Some(scheme.to_owned()),
            host: host(authority, headers)?,
        };
        if hop.client.is_some_and(|address| self.trusts(address)) {
            let said = match self.headers {
                Headers::XForwarded => x_forwarded(headers),
                Headers::Forwarded => forwarded(headers),
            };
            // From the nearest proxy outwards, as far as the one that says it is believed.
            for next in said {
                hop.client = next.client;
                hop.scheme = next.scheme.or(hop.scheme);
                hop.host = next.host.or(hop.host);
                if !next.client.is_some_and(|address| self.trusts(address)) {
                    break;
                }
            }
        }
        let origin = match (hop.scheme, hop.host) {
            (Some(scheme), Some(host)) => {
                let scheme = scheme.to_ascii_lowercase();
                if !["http", "https"].contains(&&*scheme) {
                    return Err(CallError::field(
                        "url",
                        "a proxy says that its scheme is neither http nor https",
                    ));
                }
                if !is_host(&host) {
                    return Err(CallError::field("url", "its host is not valid"));
                }
                Some(format!("{scheme}://{host}"))
            }
            _ => None,
        };
        Ok(Viewer { origin, client: hop.client })
    }
}

/// The authority that was asked: the target's, or else that of the only `Host`.
fn host(authority: Option<&str>, headers: &HeaderMap) -> Result<Option<String>, CallError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let first = hosts.next();
    if hosts.next().is_some() {
        return Err(CallError::field("url", "there is more than one Host header"));
    }
    match (authority, first.map(|host| host.to_str())) {
        (Some(authority), _) => Ok(Some(authority.to_owned())),
        (None, Some(Ok(host))) => Ok(Some(host.to_owned())),
        (None, Some(Err(_))) => Err(CallError::field("url", "its host is not valid")),
        (None, None) => Ok(None),
    }
}

/// Host and port, without a user.
fn is_host(text: &str) -> bool {
    !text.contains('@') && Authority::from_str(text).is_ok_and(|authority| !authority.host().is_empty())
}

/// The hops of `X-Forwarded-*`, the nearest first. Where schemes or hosts are fewer than addresses, the last one read is
/// that of all hops beyond: most proxies write only one.
fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let list = |name: HeaderName| -> Vec<&[u8]> {
        let lines = headers.get_all(name).iter().rev();
        lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect()
    };
    let (clients, schemes, hosts) = (list(FORWARDED_FOR), list(FORWARDED_PROTO), list(FORWARDED_HOST));
    let at = |list: &[&[u8]], index: usize| {
        list.get(index).or_else(|| list.last()).filter(|item| !item.is_empty()).map(|item| text(item))
    };
    // A proxy that names scheme or host and hides its client.
    let count = clients.len().max(usize::from(!(schemes.is_empty() && hosts.is_empty())));
    (0..count)
        .map(|index| Hop {
            client: clients.get(index).and_then(|item| node(item)),
            scheme: at(&schemes, index),
            host: at(&hosts, index),
        })
        .collect()
}

/// The hops of `Forwarded`, the nearest first. A line whose quotes are not closed is one hidden hop: which of its commas
/// separate elements is not known.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let lines = headers.get_all(header::FORWARDED).iter().rev();
    lines
        .flat_map(|line| match split(line.as_bytes(), b',') {
            Some(elements) => {
                elements.into_iter().rev().map(|element| hop(element).unwrap_or_default()).collect()
            }
            None => vec![Hop::default()],
        })
        .collect()
}

/// What an element of `Forwarded` says; `None` if it is malformed.
fn hop(element: &[u8]) -> Option<Hop> {
    let mut hop = Hop::default();
    for pair in split(element, b';')? {
        let pair = pair.trim_ascii();
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        let value = unquoted(value.get(1..)?)?;
        match name.to_ascii_lowercase().as_slice() {
            b"for" => hop.client = node(&value),
            b"proto" => hop.scheme = Some(text(&value)),
            b"host" => hop.host = Some(text(&value)),
            _ => {}
        }
    }
    Some(hop)
}

/// Splits at a separator that does not stand in quotes; `None` if they are not closed.
fn split(line: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = line
        .split(|byte| {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'"' => is_quoted = !is_quoted,
                b'\\' => is_escaped = is_quoted,
                _ => {}
            }
            *byte == separator && !is_quoted
        })
        .collect();
    (!is_quoted).then_some(parts)
}

/// A token, or what a quoted string holds (RFC 9110, section 5.6.4); `None` if it is neither.
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let Some(rest) = value.strip_prefix(b"\"") else {
        return (!value.contains(&b'"')).then(|| value.to_vec());
    };
    let (mut rest, mut held) = (rest.iter(), Vec::new());
    loop {
        match rest.next()? {
            b'"' => return rest.next().is_none().then_some(held),
            b'\\' => held.push(*rest.next()?),
            byte => held.push(*byte),
        }
    }
}

/// As text; what is none becomes something that is neither scheme nor host.
fn text(item: &[u8]) -> String {
    String::from_utf8_lossy(item).into_owned()
}

/// The address of a node, with or without a port: `192.0.2.1:80`, `[2001:db8::1]:80`. `None` of `unknown`, and of hidden ones.
fn node(item: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(item).ok()?.trim();
    let address = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use http::HeaderValue;
    use safelight_chassis::config;

    use super::*;

    const PROXY: &str = "10.0.0.1:1";

    fn viewer(
        settings: &str,
        peer: &str,
        lines: &[(&'static str, &str)],
    ) -> Result<(String, String), String> {
        let proxies = config::read(settings, Proxies::read).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = Peer { remote: Some(peer.parse::<SocketAddr>().unwrap()), is_tls: false };
        let viewer = proxies.viewer(peer, None, &headers).map_err(|error| error.to_string())?;
        Ok((viewer.origin.unwrap_or_default(), viewer.client.map(|ip| ip.to_string()).unwrap_or_default()))
    }

    const TRUST: &str = "trusted_proxies = ['10.0.0.0/8', 'fd00::/8']";
    const HOST: (&str, &str) = ("host", "h");

    #[test]
    fn without_trust_a_peer_speaks_for_itself_alone() {
        let forged = [
            HOST,
            ("x-forwarded-for", "192.0.2.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("forwarded", "for=192.0.2.9;proto=https;host=evil"),
        ];
        let expected = Ok(("http://h".to_owned(), "203.0.113.1".to_owned()));
        for settings in ["", TRUST, "forwarded_headers = 'forwarded'"] {
            assert_eq!(viewer(settings, "203.0.113.1:1", &forged), expected, "{settings}");
            assert_eq!(viewer(settings, "[::ffff:203.0.113.1]:1", &forged), expected, "{settings}");
        }
    }

    #[test]
    fn the_viewer_is_the_rightmost_address_that_is_not_trusted() {
        for (list, client) in [
            ("192.0.2.1", "192.0.2.1"),
            // What the client wrote itself stands to the left.
            ("198.51.100.7, 192.0.2.1", "192.0.2.1"),
            ("198.51.100.7, 192.0.2.1, 10.9.9.9", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:db8::1, fd00::7", "2001:db8::1"),
            ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
            ("198.51.100.7, unknown", ""),
            ("198.51.100.7, evil\u{9}x", ""),
            ("", ""),
            // What is no text is an item like others, and hides no line.
            ("198.51.100.7\u{fc}, 192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, \u{fc}", ""),
        ] {
            let found = viewer(TRUST, PROXY, &[HOST, ("x-forwarded-for", list)]).unwrap();
            assert_eq!(found, ("http://h".to_owned(), client.to_owned()), "{list}");
        }
        // Lines are one list.
        let lines = [HOST, ("x-forwarded-for", "198.51.100.7"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(viewer(TRUST, PROXY, &lines).unwrap().1, "192.0.2.1");
        // A proxy that says nothing is its own client.
        assert_eq!(viewer(TRUST, PROXY, &[HOST]).unwrap().1, "10.0.0.1");
    }

    #[test]
    fn scheme_and_host_are_those_of_the_same_hop() {
        let lines = |proto, host| {
            [
                ("host", "inner"),
                ("x-forwarded-for", "192.0.2.1, 10.5.5.5"),
                ("x-forwarded-proto", proto),
                ("x-forwarded-host", host),
            ]
        };
        assert_eq!(
            viewer(TRUST, PROXY, &lines("https", "img.example.com")).unwrap().0,
            "https://img.example.com"
        );
        assert_eq!(viewer(TRUST, PROXY, &lines("HTTPS, http", "a:8443, b")).unwrap().0, "https://a:8443");
        // Only the two hops that are believed count.
        assert_eq!(viewer(TRUST, PROXY, &lines("x, https, http", "evil, a, b")).unwrap().0, "https://a");
        assert!(viewer(TRUST, PROXY, &lines("ftp", "a")).is_err());
        for host in ["a/b", "u@a", "a b", "a?b", "[::1", "a\u{fc}"] {
            assert!(viewer(TRUST, PROXY, &lines("https", host)).is_err(), "{host}");
        }
    }

    #[test]
    fn forwarded_as_the_rfc_has_it() {
        let settings = format!("{TRUST}\nforwarded_headers = 'forwarded'");
        for (line, origin, client) in [
            ("for=192.0.2.60;proto=https;host=img.example.com", "https://img.example.com", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "http://h", "2001:db8:cafe::17"),
            ("for=9.9.9.9, for=192.0.2.43;host=\"a,b;c\", for=10.1.1.1", "http://a,b;c", "192.0.2.43"),
            ("for=192.0.2.43;host=\"a b\"", "", ""),
            ("for=9.9.9.9;host=evil, for=192.0.2.43;proto=https, for=10.1.1.1", "https://h", "192.0.2.43"),
            ("for=9.9.9.9, for=_hidden", "http://h", ""),
            ("for=192.0.2.43;", "http://h", "192.0.2.43"),
            (r#"for="192.0.2.4\3";ext="a\",b", for=10.1.1.1"#, "http://h", "192.0.2.43"),
            ("for=9.9.9.9\u{fc}, for=192.0.2.43", "http://h", "192.0.2.43"),
            // Which element is the proxy's own is not known.
            ("for=9.9.9.9;x=\", for=192.0.2.43;proto=https", "http://h", ""),
            ("for=9.9.9.9, for=192.0.2.43;junk", "http://h", ""),
            ("for=9.9.9.9, for=\"192.0.2.43\"1", "http://h", ""),
            ("", "http://h", ""),
        ] {
            // The other kind of header is the client's own.
            let found =
                viewer(&settings, PROXY, &[HOST, ("forwarded", line), ("x-forwarded-for", "1.2.3.4")]);
            match origin {
                "" => assert!(found.is_err(), "{line}"),
                _ => assert_eq!(found, Ok((origin.to_owned(), client.to_owned())), "{line}"),
            }
        }
    }

    /// Every sequence of up to four of what could confuse a parser, and every single byte, in front of what the proxy appends,
    /// or in a line of its own.
    #[test]
    fn whatever_a_client_sends_the_address_is_the_appended_one_or_none() {
        const PARTS: [&[u8]; 14] = [
            b"for=198.51.100.7",
            b"198.51.100.7",
            b"10.0.0.9",
            b"\"",
            b"\\",
            b",",
            b";",
            b"=",
            b" ",
            b"x=",
            b"[",
            b"]",
            b":1",
            b"\xfc",
        ];
        let mut prefixes = vec![Vec::new()];
        let mut last = prefixes.clone();
        for _ in 0..4 {
            last = last.iter().flat_map(|prefix| PARTS.map(|part| [prefix, part].concat())).collect();
            prefixes.extend(last.iter().cloned());
        }
        prefixes.extend((0..=u8::MAX).map(|byte| vec![byte]));

        let peer = Peer { remote: Some(PROXY.parse().unwrap()), is_tls: false };
        for (kind, name, appended) in [
            ("x-forwarded", &FORWARDED_FOR, &["203.0.113.9"][..]),
            (
                "forwarded",
                &header::FORWARDED,
                &[
                    "for=203.0.113.9;proto=http",
                    "for=\"203.0.113.9:4711\"",
                    "by=\"[fd00::1]\";for=203.0.113.9;host=\"a\"",
                ],
            ),
        ] {
            let settings = format!("trusted_proxies = ['10.0.0.0/8']\nforwarded_headers = '{kind}'");
            let proxies = config::read(&settings, Proxies::read).unwrap();
            let mut found = [0_usize; 2];
            for (prefix, appended) in
                prefixes.iter().flat_map(|prefix| appended.iter().map(move |appended| (prefix, appended)))
            {
                let own = HeaderValue::from_static(appended);
                let joined = [prefix, &b", "[..], appended.as_bytes()].concat();
                // Bytes that no header can have are refused before.
                let lines = [
                    HeaderValue::from_bytes(&joined).ok().map(|joined| vec![joined]),
                    HeaderValue::from_bytes(prefix).ok().map(|prefix| vec![prefix, own]),
                ];
                for lines in lines.into_iter().flatten() {
                    let mut headers = HeaderMap::new();
                    headers.insert(header::HOST, HeaderValue::from_static("h"));
                    for line in lines {
                        headers.append(name, line);
                    }
                    let client = proxies.viewer(peer, None, &headers).unwrap().client;
                    let client = client.map(|client| client.to_string());
                    assert!(
                        [None, Some("203.0.113.9")].contains(&client.as_deref()),
                        "{client:?} {headers:?}"
                    );
                    found[usize::from(client.is_some())] += 1;
                }
            }
            assert!(found[1] > 10_000, "{kind}: {found:?}");
            assert_eq!(found[0] > 0, kind == "forwarded", "{found:?}");
        }
    }

    #[test]
    fn a_host_is_one_and_valid() {
        assert!(viewer("", PROXY, &[HOST, HOST]).is_err());
        for host in ["u@h", "h/x", "", "h h"] {
            assert!(viewer("", PROXY, &[("host", host)]).is_err(), "{host}");
        }
        assert_eq!(viewer("", PROXY, &[]).unwrap().0, "");
        assert_eq!(viewer("", PROXY, &[("host", "[::1]:8080")]).unwrap().0, "http://[::1]:8080");
    }
}
