//! Asks a provider once.
//!
//! Each time with a new client: `aws-config` would remember what did not work (a name that did not resolve) and hide what
//! does not work any more (the former credentials are answered while the instance's metadata cannot be reached). And with
//! a clock that stands still: by the real one it would give expired credentials of an instance ten minutes more.

use std::time::{Duration, SystemTime};

use aws_config::{
    Region,
    ecs::EcsCredentialsProvider,
    environment::EnvironmentVariableCredentialsProvider,
    imds::credentials::ImdsCredentialsProvider,
    provider_config::ProviderConfig,
    web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider},
};
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_async::time::StaticTimeSource;
use tokio::task::JoinSet;
use tracing::{Dispatch, instrument::WithSubscriber as _};

use super::{Issued, Settings, failure::Failure, settings::is_word};
use crate::scheme::aws_sigv4::Credentials;

/// How long a provider may take. `aws-config` tries three times meanwhile; two seconds are normal for STS far away.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks a provider for credentials.
pub(super) async fn load(settings: Settings) -> Result<Issued, Failure> {
    // A task of its own, that ends with this one: the one that asks over and over must survive whatever happens in here. And
    // no subscriber, as for signing: below `info` these crates log requests and answers.
    let mut asked = JoinSet::new();
    asked.spawn(tokio::time::timeout(TIMEOUT, provide(settings)).with_subscriber(Dispatch::none()));
    let provided = match asked.join_next().await {
        Some(Ok(Ok(provided))) => provided.map_err(|error| Failure::of(&error))?,
        Some(Ok(Err(_))) => return Err(Failure::TimedOut),
        Some(Err(_)) | None => return Err(Failure::Panicked),
    };
    let texts = [provided.access_key_id(), provided.secret_access_key()];
    let mut texts = texts.into_iter().chain(provided.session_token());
    if !texts.all(is_word) {
        return Err(Failure::NotText);
    }
    let credentials =
        Credentials::new(provided.access_key_id(), provided.secret_access_key(), provided.session_token());
    let unix =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(Issued { credentials, expires: provided.expiry().map(unix) })
}

async fn provide(settings: Settings) -> aws_credential_types::provider::Result {
    let config = ProviderConfig::without_region().with_time_source(StaticTimeSource::from_secs(0));
    match settings {
        Settings::Environment => EnvironmentVariableCredentialsProvider::new().provide_credentials().await,
        Settings::WebIdentity(settings) => {
            let config = config.with_region(Some(Region::new(settings.region)));
            let role = StaticConfiguration {
                web_identity_token_file: settings.token_file,
                role_arn: settings.role_arn,
                session_name: settings.role_session_name,
            };
            let provider = WebIdentityTokenCredentialsProvider::builder();
            provider.configure(&config).static_configuration(role).build().provide_credentials().await
        }
        Settings::Container => {
            EcsCredentialsProvider::builder().configure(&config).build().provide_credentials().await
        }
        Settings::InstanceMetadata => {
            ImdsCredentialsProvider::builder().configure(&config).build().provide_credentials().await
        }
    }
}
