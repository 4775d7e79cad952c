//! Checks a token as it was received.

use std::net::IpAddr;

use ipnet::IpNet;
use subtle::Choice;

use super::{FIELDS, Spelling, TokenKey};
use crate::scheme::{
    carrier::{cookies, take},
    claims::Claims,
    pattern::matches,
    strict::{decimal, first_fit},
    url::{Policy, Presented, Refusal, Verified},
};

/// A token, taken apart. Nothing in it is authentic yet.
struct Token<'t> {
    /// All before the MAC.
    signed: &'t str,
    /// The values of [`FIELDS`], as they are written.
    values: [Option<&'t str>; 6],
    mac: Vec<u8>,
}

impl<'t> Token<'t> {
    fn read(key: &TokenKey, token: &'t str) -> Option<Self> {
        let (signed, mac) = token.rsplit_once("~hmac=")?;
        let lower = mac.bytes().all(|b| !b.is_ascii_uppercase());
        let mac = hex::decode(mac).ok().filter(|mac| lower && mac.len() == key.mac.bytes())?;
        let mut values = [None; 6];
        let mut known = FIELDS.iter().zip(&mut values);
        for field in signed.split('~') {
            let (name, value) = field.split_once('=')?;
            // Only those after the last one are left: the order counts, and nothing is there twice.
            let (_, slot) = known.find(|(known, _)| **known == name)?;
            *slot = Some(value).filter(|value| !value.is_empty());
            slot.as_ref()?;
        }
        let [.., id, data] = values;
        let foreign = key.spelling == Spelling::Cloudinary && (id.is_some() || data.is_some());
        (!foreign).then_some(Self { signed, values, mac })
    }

    /// Whether the key made it, for this target.
    fn fits(&self, key: &TokenKey, origin: Option<&str>, asked: &str) -> Choice {
        let fits = |url| key.mac(self.signed, url).fits(&self.mac);
        if self.values[3].is_some() {
            return fits(None);
        }
        match origin {
            // Cloudinary's SDKs sign the path in URLs that they build, and whatever URL they are given in tokens alone.
            Some(origin) if key.spelling == Spelling::Cloudinary => {
                fits(Some(asked)) | fits(Some(&format!("{origin}{asked}")))
            }
            _ => fits(Some(asked)),
        }
    }

    /// When and for whom it is good, once it is authentic; and its patterns.
    fn claims(&self, spelling: Spelling) -> Result<(Claims, Option<String>), Refusal> {
        let [client, starts, expires, acl, ..] = self.values;
        let expires = decimal(expires.ok_or(Refusal::ExpiryMissing)?).ok_or(Refusal::ExpiryMalformed)?;
        let read = |field, value: Option<&str>| match value {
            None => Ok(None),
            Some(value) => match spelling.read(field, value) {
                Some(value) => Ok(Some(value.into_owned())),
                None => Err(Refusal::SignatureMalformed),
            },
        };
        let starts = starts.map(|starts| decimal(starts).ok_or(Refusal::SignatureMalformed)).transpose()?;
        let client =
            read("ip", client)?.map(|text| address(&text).ok_or(Refusal::SignatureMalformed)).transpose()?;
        Ok((Claims { expires, starts, client }, read("acl", acl)?))
    }
}

/// An address in its one spelling.
fn address(text: &str) -> Option<IpNet> {
    let address: IpAddr = text.parse().ok()?;
    (address.to_string() == text).then(|| address.to_canonical().into())
}

/// Verifies with keys that have one name and one algorithm.
pub(in crate::scheme) fn verify<'k>(
    keys: impl IntoIterator<Item = &'k TokenKey>,
    policy: &Policy,
    presented: &Presented<'_>,
) -> Result<Verified, Refusal> {
    let mut keys = keys.into_iter().peekable();
    let first = *keys.peek().ok_or(Refusal::SignatureMismatch)?;
    let taken = take(presented.target, [&*first.name], policy)?;
    let [token] =
        if taken.any() { taken.values } else { cookies(presented.cookies, [&*first.name], policy)? };
    let token =
        Token::read(first, token.ok_or(Refusal::SignatureMissing)?).ok_or(Refusal::SignatureMalformed)?;
    let asked = taken.rest;

    let key =
        first_fit(keys, |key| token.fits(key, presented.origin, &asked)).ok_or(Refusal::SignatureMismatch)?;

    let (claims, acl) = token.claims(first.spelling)?;
    claims.check(policy, presented)?;
    let (path, _) = asked.split_once('?').unwrap_or((&asked, ""));
    if acl.is_some_and(|acl| !acl.split('!').any(|pattern| matches(pattern, path))) {
        return Err(Refusal::ResourceMismatch);
    }
    Ok(Verified {
        key,
        expires: Some(claims.expires),
        authenticated_target: asked,
        client_bound: claims.client.is_some(),
    })
}
