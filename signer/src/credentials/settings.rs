//! What the configuration says of a provider of credentials.
//!
//! ```toml
//! credentials = { provider = "environment" }         # AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//! credentials = { provider = "web-identity" }        # IRSA: STS gives them for a token that Kubernetes renews
//!     # role_arn, token_file, region and role_session_name; without one of these, AWS_ROLE_ARN,
//!     # AWS_WEB_IDENTITY_TOKEN_FILE, AWS_REGION (AWS_DEFAULT_REGION) and AWS_ROLE_SESSION_NAME ("safelight-signer")
//! credentials = { provider = "container" }           # ECS tasks and EKS Pod Identity, by the variables that these set:
//!     # AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
//! credentials = { provider = "instance-metadata" }   # EC2, IMDSv2
//! ```
//!
//! There is no chain that tries one after the other: a pod whose role is misconfigured would silently get the node's.
//!
//! A provider that a reload brings is asked at once, and has nothing until it has answered. As a `pending` version with
//! `primary_from` it is ready before the first call needs it.
//!
//! A process keeps the environment that it was started with, so what is missing there is an error of the configuration.

use std::path::PathBuf;

use safelight_chassis::config::Section;
use serde::Deserialize;

/// What a session of ours is called in AWS's logs.
const SESSION_NAME: &str = "safelight-signer";

/// A provider of credentials. Equal ones issue the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    /// The environment of the process.
    Environment,
    /// `AssumeRoleWithWebIdentity` of AWS's Security Token Service.
    WebIdentity(WebIdentity),
    /// The agent of ECS or of EKS Pod Identity.
    Container,
    /// The metadata service of an EC2 instance.
    InstanceMetadata,
}

/// Which role, and by which token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebIdentity {
    pub(super) role_arn: String,
    pub(super) token_file: PathBuf,
    /// Of the service that is asked.
    pub(super) region: String,
    pub(super) role_session_name: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Environment,
    WebIdentity,
    Container,
    InstanceMetadata,
}

impl Settings {
    /// Reads the table `credentials`. `environment` answers what a variable holds.
    pub(crate) fn read(section: &mut Section, environment: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        // An empty variable is an absent one, as to AWS's SDKs.
        let variable = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let one_of = |section: &mut Section, names: &[&str]| {
            let is_set = names.iter().any(|name| variable(name).is_some());
            if !is_set {
                section.error("provider", format!("{} is not set in the environment", names.join(" or ")));
            }
            is_set
        };
        let name = section.required::<Option<Name>>("provider")?;
        if !cfg!(feature = "aws-credentials") {
            section.error(
                "provider",
                "this signer was built without the feature aws-credentials, which asks providers",
            );
        }
        match name {
            Name::Environment => {
                let id = one_of(section, &["AWS_ACCESS_KEY_ID"]);
                let secret = one_of(section, &["AWS_SECRET_ACCESS_KEY"]);
                for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
                    // Such as the newline that `echo` adds to a secret of Kubernetes.
                    if variable(name).is_some_and(|value| !is_word(&value)) {
                        section
                            .error("provider", format!("{name} holds something other than printable ASCII"));
                    }
                }
                (id && secret).then_some(Self::Environment)
            }
            Name::WebIdentity => WebIdentity::read(section, &variable).map(Self::WebIdentity),
            Name::Container => {
                let addresses =
                    ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
                one_of(section, &addresses).then_some(Self::Container)
            }
            Name::InstanceMetadata => {
                if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
                {
                    section.error("provider", "AWS_EC2_METADATA_DISABLED is true in the environment");
                }
                Some(Self::InstanceMetadata)
            }
        }
    }

    /// As the configuration calls it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::WebIdentity(_) => "web-identity",
            Self::Container => "container",
            Self::InstanceMetadata => "instance-metadata",
        }
    }

    /// The role that is asked for by name.
    pub(super) fn role_arn(&self) -> Option<&str> {
        match self {
            Self::WebIdentity(settings) => Some(&settings.role_arn),
            Self::Environment | Self::Container | Self::InstanceMetadata => None,
        }
    }
}

impl WebIdentity {
    fn read(section: &mut Section, variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let mut text = |option: &str, names: &[&str], default: Option<&str>, (is_legal, expected): Shape| {
            let given = section.optional::<String>(option);
            let text = given
                .or_else(|| names.iter().find_map(|name| variable(name)))
                .or_else(|| default.map(str::to_owned));
            if text.is_none() {
                section.error(
                    option,
                    format!("missing, and {} is not set in the environment", names.join(" or ")),
                );
            }
            text.filter(|text| {
                let is_legal = is_legal(text);
                if !is_legal {
                    section.error(option, expected);
                }
                is_legal
            })
        };
        let role_arn = text("role_arn", &["AWS_ROLE_ARN"], None, ROLE_ARN);
        let token_file = text("token_file", &["AWS_WEB_IDENTITY_TOKEN_FILE"], None, WORD);
        let region = text("region", &["AWS_REGION", "AWS_DEFAULT_REGION"], None, REGION);
        let session = text("role_session_name", &["AWS_ROLE_SESSION_NAME"], Some(SESSION_NAME), SESSION);
        Some(Self {
            role_arn: role_arn?,
            token_file: token_file?.into(),
            region: region?,
            role_session_name: session?,
        })
    }
}

/// What an option must look like, and the words for what does not.
type Shape = (fn(&str) -> bool, &'static str);

const WORD: Shape = (is_word, "expected printable ASCII, without spaces");
const ROLE_ARN: Shape = (is_role_arn, "expected a role's ARN such as arn:aws:iam::123456789012:role/name");
const REGION: Shape = (is_region, "expected a region such as eu-west-1");
const SESSION: Shape = (is_session, "expected 2 to 64 letters, digits and any of _+=,.@-");

/// `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`, of 20 to 2,048 bytes (STS API reference, `AssumeRoleWithWebIdentity`; IAM
/// guide, "IAM identifiers"). Stores that speak STS have partitions of their own and no accounts.
fn is_role_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, role) = (next(), next(), next(), next(), next(), next());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (20..=2048).contains(&text.len())
        && (arn, service, region) == ("arn", "iam", "")
        && !partition.is_empty()
        && partition.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && matches!(account.len(), 0 | 12)
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && role.strip_prefix("role/").is_some_and(|path| {
            path.bytes().all(|byte| byte.is_ascii_graphic())
                && path
                    .rsplit('/')
                    .next()
                    .is_some_and(|name| (1..=64).contains(&name.len()) && name.bytes().all(is_name))
        })
}

/// `eu-west-1`, `us-gov-east-1`: what STS's host name is made of.
fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [area, between @ .., number] = parts.as_slice() else { return false };
    let is_letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    text.len() <= 63
        && is_letters(area)
        && !between.is_empty()
        && between.iter().all(is_letters)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_session(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

/// Whether it is printable ASCII, without spaces, and not empty.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(all(test, not(feature = "aws-credentials")))]
mod without {
    use safelight_chassis::config;

    use super::*;

    #[test]
    fn every_provider_is_refused_with_the_reason() {
        let read =
            config::read("provider = 'instance-metadata'", |section| Settings::read(section, &|_| None));
        let said = read.map(|_| ()).unwrap_err().to_string();
        assert!(
            said.contains("provider: this signer was built without the feature aws-credentials"),
            "{said}"
        );
    }
}

#[cfg(all(test, feature = "aws-credentials"))]
mod tests {
    use safelight_chassis::config;

    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let variable = |name: &str| {
            environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        config::read(text, |section| Settings::read(section, &variable)).map_err(|errors| errors.to_string())
    }

    #[test]
    fn each_provider_by_its_variables() {
        let pod = [
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-2"),
        ];
        let web = |role: &str, region: &str, session: &str| {
            Settings::WebIdentity(WebIdentity {
                role_arn: role.to_owned(),
                token_file: "/token".into(),
                region: region.to_owned(),
                role_session_name: session.to_owned(),
            })
        };
        let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "fake")];
        let other = "provider = 'web-identity'\nrole_arn = 'arn:aws:iam::123456789012:role/a/other'\nregion = 'us-east-1'\nrole_session_name = 'ss'";
        for (text, environment, settings) in [
            ("provider = 'environment'", &keys[..], Settings::Environment),
            (
                "provider = 'web-identity'",
                &pod,
                web("arn:aws:iam::123456789012:role/pod", "eu-west-1", "safelight-signer"),
            ),
            (other, &pod, web("arn:aws:iam::123456789012:role/a/other", "us-east-1", "ss")),
            (
                "provider = 'container'",
                &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")],
                Settings::Container,
            ),
            (
                "provider = 'container'",
                &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/x")],
                Settings::Container,
            ),
            ("provider = 'instance-metadata'", &[], Settings::InstanceMetadata),
        ] {
            assert_eq!(read(text, environment), Ok(Some(settings)), "{text}");
        }
    }

    #[test]
    fn what_is_missing_or_strange_is_said_at_start() {
        for (text, environment, error) in [
            ("", &[][..], "provider: missing"),
            ("provider = 'envrionment'", &[], "provider: "),
            ("provider = 'container'\nrole_arn = 'a'", &[], "role_arn: unknown key"),
            ("provider = 'environment'", &[("AWS_ACCESS_KEY_ID", "A")], "AWS_SECRET_ACCESS_KEY is not set"),
            (
                "provider = 'environment'",
                &[("AWS_ACCESS_KEY_ID", " "), ("AWS_SECRET_ACCESS_KEY", "fake")],
                "AWS_ACCESS_KEY_ID is not set",
            ),
            (
                "provider = 'environment'",
                &[("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "fake\n")],
                "AWS_SECRET_ACCESS_KEY holds something other than printable ASCII",
            ),
            (
                "provider = 'instance-metadata'",
                &[("AWS_EC2_METADATA_DISABLED", "True")],
                "AWS_EC2_METADATA_DISABLED is true",
            ),
            ("provider = 'container'", &[], "_FULL_URI is not set in the environment"),
            (
                "provider = 'web-identity'",
                &[("AWS_ROLE_ARN", "a")],
                "token_file: missing, and AWS_WEB_IDENTITY_TOKEN_FILE is not set",
            ),
            (
                "provider = 'web-identity'\nregion = 'eu west'",
                &[],
                "region: expected a region such as eu-west-1",
            ),
        ] {
            let said = read(text, environment).unwrap_err();
            assert!(said.contains(error), "{text}: {said}");
        }
    }

    #[test]
    fn what_cannot_be_a_role_or_a_region_is_refused() {
        let long = format!("arn:aws:iam::123456789012:role/{}", "a".repeat(65));
        for (good, bad) in [
            ("arn:aws:iam::123456789012:role/pod", "arn:aws:iam::123456789012:user/pod"),
            ("arn:aws-us-gov:iam::123456789012:role/path/to/p_o+d", "arn:aws:iam::12345678901:role/pod"),
            ("arn:minio:iam:::role/idmp-images", "arn:aws:iam:eu-west-1:123456789012:role/pod"),
            ("arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/"),
            ("arn:aws-cn:iam::123456789012:role/a", "arn:aws:sts::123456789012:assumed-role/pod/x"),
            ("arn:aws:iam::000000000000:role/a", "pod"),
            ("arn:aws:iam::123456789012:role/x/y", "arn:aws:iam::123456789012:role/po d"),
            ("arn:aws:iam::123456789012:role/x.y", &long),
        ] {
            assert!(is_role_arn(good) && !is_role_arn(bad), "{good} {bad}");
        }
        for good in ["eu-west-1", "us-gov-east-1", "us-isob-east-1", "eusc-de-east-1", "ap-southeast-12"] {
            assert!(is_region(good), "{good}");
        }
        for bad in [
            "",
            "-",
            "eu",
            "eu-west",
            "eu-1",
            "eu-west-",
            "-west-1",
            "EU-west-1",
            "eu-west-1a",
            "eu-west-1.evil",
            "eu_west_1",
        ] {
            assert!(!is_region(bad), "{bad}");
        }
        for (option, expected) in [
            ("role_arn = 'fake-pasted-secret'", "role_arn: expected a role's ARN such as"),
            ("region = 'frankfurt'", "region: expected a region such as eu-west-1"),
            ("role_session_name = 's'", "role_session_name: expected 2 to 64"),
        ] {
            let variables = [
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod"),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
                ("AWS_REGION", "eu-west-1"),
            ];
            let said = read(&format!("provider = 'web-identity'\n{option}"), &variables).unwrap_err();
            assert!(said.starts_with(expected) && !said.contains("fake"), "{said}");
        }
        // From the environment, too.
        let said =
            read("provider = 'web-identity'", &[("AWS_ROLE_ARN", "pod"), ("AWS_REGION", "x")]).unwrap_err();
        assert!(said.contains("role_arn: expected") && said.contains("region: expected"), "{said}");
    }
}
