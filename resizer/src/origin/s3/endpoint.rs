//! Where a bucket is: the start of its objects' URLs.
//!
//! The rules are AWS's own, `endpoint-rule-set-1.json` of its clients; a counterpart test asks botocore the same.

use super::{
    super::base::Url,
    bucket::{self, Bucket},
    partition,
};

/// What the operator says of a bucket.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Which one.
    pub bucket: Bucket<'a>,
    /// Region of the configuration.
    pub region: &'a str,
    /// Endpoint of a store that is not at AWS's own address.
    pub endpoint: Option<Url<'a>>,
    /// Bucket in the path rather than in the host.
    pub path_style: bool,
    /// AWS's endpoint that has IPv6 addresses too.
    pub dual_stack: bool,
    /// AWS's endpoint with validated cryptography.
    pub fips: bool,
    /// AWS's endpoint at the edge.
    pub accelerate: bool,
}

/// A setting that does not go with the others, and why.
pub type Refusal = (&'static str, String);

impl Place<'_> {
    /// The start of every object's URL, with its closing slash.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn base(&self) -> Result<String, Refusal> {
        self.check_flags()?;
        match self.bucket {
            Bucket::Name(name) => self.base_of_name(name),
            Bucket::AccessPoint { region, account, name } => {
                self.base_of_access_point(region, &format!("{name}-{account}"))
            }
        }
    }

    fn check_flags(&self) -> Result<(), Refusal> {
        let Self { dual_stack, fips, accelerate, .. } = *self;
        let flags = [("dual_stack", dual_stack), ("fips", fips), ("accelerate", accelerate)];
        if let (Some(_), Some((key, _))) = (self.endpoint, flags.into_iter().find(|(_, set)| *set)) {
            return refuse(key, "chooses among AWS's own endpoints: it does not go with endpoint");
        }
        if accelerate && fips {
            return refuse("accelerate", "there is no accelerated endpoint with fips");
        }
        if fips && partition::of(self.region).id == "aws-cn" {
            return refuse("fips", "there is no such endpoint in China");
        }
        Ok(())
    }

    fn base_of_name(&self, name: &str) -> Result<String, Refusal> {
        let in_host = !self.path_style && bucket::is_virtual_hostable(name);
        if let Some(url) = self.endpoint {
            let Url { scheme, authority, path } = url;
            let in_host = (in_host
                || !self.path_style && scheme == "http" && bucket::is_virtual_hostable_with_dots(name))
                && !url.is_address();
            return Ok(if in_host {
                format!("{scheme}://{name}.{authority}{path}")
            } else {
                format!("{scheme}://{authority}{path}{name}/")
            });
        }
        let suffix = partition::of(self.region).dns_suffix;
        let dual_stack = if self.dual_stack { ".dualstack" } else { "" };
        if self.accelerate {
            if !in_host {
                return refuse(
                    "accelerate",
                    "needs the bucket in the host: no path_style, and a name of a-z 0-9 -",
                );
            }
            if suffix == "amazonaws.com.cn" {
                return refuse("accelerate", "there is no such endpoint in China");
            }
            return Ok(format!("https://{name}.s3-accelerate{dual_stack}.{suffix}/"));
        }
        if !bucket::is_host_label(self.region) {
            return refuse("region", "is not the name of a region: AWS's endpoint is made of it");
        }
        let fips = if self.fips { "-fips" } else { "" };
        let host = format!("s3{fips}{dual_stack}.{}.{suffix}", self.region);
        Ok(if in_host { format!("https://{name}.{host}/") } else { format!("https://{host}/{name}/") })
    }

    fn base_of_access_point(&self, region: &str, label: &str) -> Result<String, Refusal> {
        let partition = partition::of(region);
        if self.path_style {
            return refuse("path_style", "an access point stands in the host: leave this out");
        }
        if self.accelerate {
            return refuse("accelerate", "access points have no accelerated endpoint");
        }
        if partition != partition::of(self.region) {
            return refuse("region", "is in another partition of AWS than the access point");
        }
        if !bucket::is_host_label(label) {
            return refuse("bucket", "the access point's name is too long");
        }
        if let Some(url) = self.endpoint {
            if url.is_address() {
                return refuse(
                    "endpoint",
                    "is an address: an access point stands in the host, which needs a name",
                );
            }
            let Url { scheme, authority, path } = url;
            return Ok(format!("{scheme}://{label}.{authority}{path}"));
        }
        let dual_stack = if self.dual_stack { ".dualstack" } else { "" };
        let fips = if self.fips { "-fips" } else { "" };
        Ok(format!("https://{label}.s3-accesspoint{fips}{dual_stack}.{region}.{}/", partition.dns_suffix))
    }
}

fn refuse<T>(key: &'static str, message: &str) -> Result<T, Refusal> {
    Err((key, message.to_owned()))
}
