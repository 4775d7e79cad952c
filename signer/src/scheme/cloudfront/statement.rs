//! CloudFront's policies: JSON that says what a signature gives access to.

use std::{borrow::Cow, net::Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// A policy. Members in the order in which the SDK writes them; no others.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    #[serde(rename = "Statement", borrow)]
    statement: [Statement<'a>; 1],
}

/// What is allowed, and when.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statement<'a> {
    #[serde(rename = "Resource", borrow)]
    pub(super) resource: Cow<'a, str>,
    #[serde(rename = "Condition", borrow)]
    condition: Condition<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Condition<'a> {
    #[serde(rename = "DateLessThan")]
    expires: Time,
    #[serde(rename = "DateGreaterThan", skip_serializing_if = "Option::is_none")]
    starts: Option<Time>,
    #[serde(rename = "IpAddress", borrow, skip_serializing_if = "Option::is_none")]
    client: Option<Address<'a>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Time {
    #[serde(rename = "AWS:EpochTime")]
    seconds: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Address<'a> {
    #[serde(rename = "AWS:SourceIp", borrow)]
    range: Cow<'a, str>,
}

impl<'a> Statement<'a> {
    pub(super) fn new(resource: &'a str, expires: u64, starts: Option<u64>, client: Option<Ipv4Net>) -> Self {
        let condition = Condition {
            expires: Time { seconds: expires },
            starts: starts.map(|seconds| Time { seconds }),
            client: client.map(|range| Address { range: range.to_string().into() }),
        };
        Self { resource: resource.into(), condition }
    }

    /// Reads an authentic policy. `None` if it has not exactly the members that we know.
    pub(super) fn read(json: &'a [u8]) -> Option<Self> {
        let Document { statement: [statement] } = serde_json::from_slice(json).ok()?;
        Some(statement)
    }

    /// The policy's text, as JavaScript writes JSON. One text for one policy: quotes in a URL are escaped.
    pub(super) fn into_json(self) -> String {
        // Strings and numbers: nothing that serde_json cannot write.
        serde_json::to_string(&Document { statement: [self] }).unwrap_or_default()
    }

    pub(super) const fn expires(&self) -> u64 {
        self.condition.expires.seconds
    }

    pub(super) fn starts(&self) -> Option<u64> {
        self.condition.starts.as_ref().map(|time| time.seconds)
    }

    /// Whose requests are accepted, if that is said: a range or one address, of IPv4. The inner `None`: it is neither.
    pub(super) fn client(&self) -> Option<Option<IpNet>> {
        let range = &*self.condition.client.as_ref()?.range;
        let range =
            range.parse::<Ipv4Net>().ok().or_else(|| range.parse::<Ipv4Addr>().ok().map(Ipv4Net::from));
        Some(range.map(IpNet::V4))
    }
}
