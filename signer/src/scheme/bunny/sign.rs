//! The request of the vendor's SDK, as a URL.

use std::{collections::BTreeMap, net::IpAddr};

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use super::{
    Key, covers,
    message::{Address, Message, is_name, is_path, is_value},
    token::{DIRECTORY, encode},
};
use crate::scheme::{
    strict::{self, has_dot_segment},
    trailing::pairs,
    url::{Carrier, Policy, SignError, Signed, Wanted, checked},
};

/// Parameters that have a meaning for Bunny.
const RESERVED: [&str; 7] = [
    "token",
    "expires",
    "token_path",
    "token_countries",
    "token_countries_blocked",
    "token_ignore_params",
    "limit",
];

/// The URL's query is written anew, as the vendor's code does: sorted, and encoded canonically.
pub(super) fn sign(key: &Key, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
    if wanted.starts.is_some() {
        return Err(SignError::Unsupported("start_time", "this scheme does not have it"));
    }
    if wanted.carrier != Carrier::Url {
        return Err(SignError::Unsupported("carrier", "this scheme does not have it"));
    }
    let expires = wanted
        .expires
        .filter(|seconds| strict::ten_digits(&seconds.to_string()).is_some())
        .ok_or(SignError::Unsupported("expire_time", "a token needs one between 2001 and 2286"))?;
    let (origin, target) = wanted.url.verbatim()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path.starts_with("/bcdn_token=") {
        return Err(SignError::Reserved("bcdn_token"));
    }
    if !is_path(path) {
        return Err(SignError::Invalid("has a path with `=`, which a token cannot tell from a parameter"));
    }

    let mut signed = own_parameters(query)?;
    let extra = Extra::read(wanted.extra)?;
    if extra.ignore_params {
        if !signed.is_empty() || !extra.pairs.is_empty() {
            return Err(SignError::Unsupported("extra", "ignoreParams leaves out all other parameters"));
        }
        signed.insert("token_ignore_params", "true".to_owned());
    }
    signed.extend(extra.pairs);
    let scope = scope(wanted.scope, path)?;
    if let Some(scope) = scope {
        signed.insert("token_path", scope.to_owned());
    }
    let (address, client) = client(wanted.client)?;
    let signed: Vec<_> = signed.into_iter().collect();
    let message = Message { path: scope.unwrap_or(path), expires, address, pairs: &signed };
    let message = message.bytes().ok_or(SignError::Invalid(
        "has a message that could be that of another URL: change digits in its path",
    ))?;

    let mark = if client.is_some() { "1-" } else { "" };
    let mut token = format!("token=HS256-{mark}{}", key.signature(&message).base64(&URL_SAFE_NO_PAD));
    for (name, value) in &signed {
        token.extend(["&", name, "=", &encode(value)]);
    }
    token.push_str(&format!("&expires={expires}"));
    let target =
        if extra.is_directory { format!("{DIRECTORY}{token}{path}") } else { format!("{path}?{token}") };
    checked(key, policy, origin, &target, client)
}

/// The URL's own parameters by name.
fn own_parameters(query: &str) -> Result<BTreeMap<&str, String>, SignError> {
    let mut parameters = BTreeMap::new();
    for (name, value) in pairs(query).filter(|pair| *pair != ("", "")) {
        if let Some(reserved) = RESERVED.iter().find(|reserved| **reserved == name) {
            return Err(SignError::Reserved(reserved));
        }
        if !is_name(name) {
            return Err(SignError::Invalid("has a parameter whose name is not letters, digits, `_` and `-`"));
        }
        let decoded = percent_decode_str(value).decode_utf8().unwrap_or_default();
        if value.contains('+') || !is_value(&decoded) || (decoded.is_empty() && !value.is_empty()) {
            return Err(SignError::Invalid(
                "has a parameter whose value is not printable ASCII without `&` and `+`",
            ));
        }
        if parameters.insert(name, decoded.into_owned()).is_some() {
            return Err(SignError::Invalid("has a parameter twice"));
        }
    }
    Ok(parameters)
}

/// What only Bunny has, under the names of its SDK for Node.
#[derive(Default)]
struct Extra {
    pairs: Vec<(&'static str, String)>,
    ignore_params: bool,
    is_directory: bool,
}

impl Extra {
    fn read(given: &[(&str, &str)]) -> Result<Self, SignError> {
        let mut extra = Self::default();
        for (index, &(name, value)) in given.iter().enumerate() {
            if given.iter().take(index).any(|(before, _)| *before == name) {
                return Err(SignError::Unsupported("extra", "a name is given twice"));
            }
            match name {
                "countriesAllowed" => extra.pairs.push(("token_countries", countries(value)?)),
                "countriesBlocked" => extra.pairs.push(("token_countries_blocked", countries(value)?)),
                "speedLimit" => extra.pairs.push(("limit", limit(value)?)),
                "ignoreParams" => extra.ignore_params = flag(value)?,
                "isDirectory" => extra.is_directory = flag(value)?,
                _ => {
                    return Err(SignError::Unsupported(
                        "extra",
                        "expected countriesAllowed, countriesBlocked, speedLimit, ignoreParams or isDirectory",
                    ));
                }
            }
        }
        Ok(extra)
    }
}

fn countries(value: &str) -> Result<String, SignError> {
    let is_code = |code: &str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if value.split(',').all(is_code) {
        Ok(value.to_owned())
    } else {
        Err(SignError::Unsupported("extra", "expected countries such as `CA,US`"))
    }
}

fn limit(value: &str) -> Result<String, SignError> {
    match strict::decimal(value) {
        None | Some(0) => Err(SignError::Unsupported("extra", "expected a speed limit in kB/s")),
        Some(_) => Ok(value.to_owned()),
    }
}

fn flag(value: &str) -> Result<bool, SignError> {
    value.parse().map_err(|_| SignError::Unsupported("extra", "expected true or false"))
}

/// The one path below which the token is good.
fn scope<'s>(scope: &[&'s str], path: &str) -> Result<Option<&'s str>, SignError> {
    match scope {
        [] => Ok(None),
        [scope] if !is_path(scope) || has_dot_segment(scope) => Err(SignError::Unsupported(
            "scope",
            "expected a path that starts with `/` and has neither `=` nor `..`",
        )),
        [scope] if !covers(scope, path) => Err(SignError::Unsupported("scope", "does not cover the URL")),
        [scope] => Ok(Some(scope)),
        _ => Err(SignError::Unsupported("scope", "expected one path")),
    }
}

/// The message's part for the client, and an address of it.
fn client(client: Option<IpNet>) -> Result<(Address, Option<IpAddr>), SignError> {
    let Some(network) = client else {
        return Ok((Address::NONE, None));
    };
    let fits = match network {
        IpNet::V4(network) => network.prefix_len() == 32,
        IpNet::V6(network) => network.prefix_len() == 64,
    };
    if !fits {
        return Err(SignError::Unsupported(
            "client_ip",
            "expected an IPv4 address, or an IPv6 network of /64",
        ));
    }
    let address = Address::of(network.addr())
        .ok_or(SignError::Unsupported("client_ip", "a token cannot tell this address from text"))?;
    Ok((address, Some(network.addr())))
}
