//! How reflection describes the protocol: as the generated server knows it, and `List`.

use prost::Message;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet, MessageOptions, MethodDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

const ANSWER: &str = ".grpc.health.v1.HealthCheckResponse";

/// An encoded `FileDescriptorSet`.
pub(crate) fn descriptors() -> Vec<u8> {
    let mut set = FileDescriptorSet::decode(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap_or_default();
    for file in &mut set.file {
        for service in file.service.iter_mut().filter(|service| service.name() == "Health") {
            service.method.push(MethodDescriptorProto {
                name: Some("List".to_owned()),
                input_type: Some(".grpc.health.v1.HealthListRequest".to_owned()),
                output_type: Some(".grpc.health.v1.HealthListResponse".to_owned()),
                ..MethodDescriptorProto::default()
            });
            file.message_type.extend([message("HealthListRequest", []), list_response()]);
        }
    }
    set.encode_to_vec()
}

/// `message HealthListResponse { map<string, HealthCheckResponse> statuses = 1; }`
fn list_response() -> DescriptorProto {
    let entry = DescriptorProto {
        options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..message(
            "StatusesEntry",
            [
                field("key", 1, Label::Optional, Type::String, None),
                field("value", 2, Label::Optional, Type::Message, Some(ANSWER)),
            ],
        )
    };
    let type_name = ".grpc.health.v1.HealthListResponse.StatusesEntry";
    DescriptorProto {
        nested_type: vec![entry],
        ..message(
            "HealthListResponse",
            [field("statuses", 1, Label::Repeated, Type::Message, Some(type_name))],
        )
    }
}

fn message(name: &str, fields: impl IntoIterator<Item = FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field: fields.into_iter().collect(),
        ..DescriptorProto::default()
    }
}

fn field(name: &str, number: i32, label: Label, kind: Type, type_name: Option<&str>) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        type_name: type_name.map(str::to_owned),
        json_name: Some(name.to_owned()),
        ..FieldDescriptorProto::default()
    }
}
