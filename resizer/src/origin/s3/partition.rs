//! The partitions of AWS: which domain a region's endpoints are in.
//!
//! Facts from AWS's `partitions.json`; a counterpart test holds them against botocore's copy.

/// A partition.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// As in ARNs.
    pub id: &'static str,
    /// Its regions are one of these, a word, and a number: `eu` makes `eu-west-1`.
    geographies: &'static [&'static str],
    /// Domain of its endpoints.
    pub dns_suffix: &'static str,
}

/// All of them. The first is the one of regions that are in none: new ones appear there.
pub const PARTITIONS: [Partition; 8] = [
    Partition {
        id: "aws",
        geographies: &["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"],
        dns_suffix: "amazonaws.com",
    },
    Partition { id: "aws-cn", geographies: &["cn"], dns_suffix: "amazonaws.com.cn" },
    Partition { id: "aws-eusc", geographies: &["eusc-de"], dns_suffix: "amazonaws.eu" },
    Partition { id: "aws-iso", geographies: &["us-iso"], dns_suffix: "c2s.ic.gov" },
    Partition { id: "aws-iso-b", geographies: &["us-isob"], dns_suffix: "sc2s.sgov.gov" },
    Partition { id: "aws-iso-e", geographies: &["eu-isoe"], dns_suffix: "cloud.adc-e.uk" },
    Partition { id: "aws-iso-f", geographies: &["us-isof"], dns_suffix: "csp.hci.ic.gov" },
    Partition { id: "aws-us-gov", geographies: &["us-gov"], dns_suffix: "amazonaws.com" },
];

/// The partition that a region is in.
#[must_use]
pub fn of(region: &str) -> &'static Partition {
    let [default, ..] = &PARTITIONS;
    PARTITIONS.iter().find(|partition| partition.has(region)).unwrap_or(default)
}

impl Partition {
    fn has(&self, region: &str) -> bool {
        self.geographies.iter().any(|geography| {
            let rest = region.strip_prefix(geography).and_then(|rest| rest.strip_prefix('-'));
            rest.and_then(|rest| rest.split_once('-')).is_some_and(|(word, number)| {
                !word.is_empty()
                    && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                    && !number.is_empty()
                    && number.bytes().all(|byte| byte.is_ascii_digit())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_in_their_partition() {
        for (region, id) in [
            ("eu-west-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("cn-northwest-1", "aws-cn"),
            ("eusc-de-east-1", "aws-eusc"),
            ("xx-new-1", "aws"),
            ("eu-west", "aws"),
        ] {
            assert_eq!(of(region).id, id, "{region}");
        }
    }
}
