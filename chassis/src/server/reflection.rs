//! Reflection, v1 and v1alpha: grpcurl tries v1, older tools know v1alpha only.

use tonic::{server::NamedService, service::Routes};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::{Builder, Error, v1, v1alpha};

use super::MAX_STOCK_REQUEST;

/// Adds both versions. Each describes everything: itself, the other, health, and the details that errors carry, which
/// tools can otherwise show only as bytes.
pub(super) fn add(routes: Routes, descriptors: &[u8], services: &[&str]) -> Result<Routes, Error> {
    Ok(routes
        .add_service(builder(descriptors, services).build_v1()?.max_decoding_message_size(MAX_STOCK_REQUEST))
        .add_service(
            builder(descriptors, services).build_v1alpha()?.max_decoding_message_size(MAX_STOCK_REQUEST),
        ))
}

fn builder<'a>(descriptors: &'a [u8], services: &[&str]) -> Builder<'a> {
    // What is described but not served here, such as the other process's services, is not listed.
    let own: [&str; 3] = [
        <HealthServer<()> as NamedService>::NAME,
        <v1::ServerReflectionServer<()> as NamedService>::NAME,
        <v1alpha::ServerReflectionServer<()> as NamedService>::NAME,
    ];
    let builder = Builder::configure()
        .include_reflection_service(false)
        .register_encoded_file_descriptor_set(descriptors)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET);
    services.iter().copied().chain(own).fold(builder, |builder, name| builder.with_service_name(name))
}
