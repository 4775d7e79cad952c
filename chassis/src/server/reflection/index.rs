//! Files and symbols of descriptor sets, as they are asked for.

use std::collections::HashMap;

use bytes::Bytes;
use prost::{DecodeError, Message};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};

/// `FileDescriptorSet`, its files as they are: decoding and encoding one loses the options that are not known here.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

/// What is described, by name.
#[derive(Debug, Default)]
pub(super) struct Index {
    services: Vec<String>,
    files: HashMap<String, Bytes>,
    /// In which file it is declared.
    symbols: HashMap<String, Bytes>,
}

impl Index {
    /// Lists these services, and describes all that is in these encoded sets. Of a file that is in several, the first counts.
    pub(super) fn new<'a>(
        services: impl Iterator<Item = &'a str>,
        sets: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, DecodeError> {
        let mut index = Self { services: services.map(str::to_owned).collect(), ..Self::default() };
        for set in sets {
            for bytes in Files::decode(set)?.file {
                let file = FileDescriptorProto::decode(bytes.clone())?;
                if !index.files.contains_key(file.name()) {
                    index.files.insert(file.name().to_owned(), bytes.clone());
                    index.add(&file, &bytes);
                }
            }
        }
        Ok(index)
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    pub(super) fn file(&self, name: &str) -> Option<Vec<u8>> {
        self.files.get(name).map(|file| file.to_vec())
    }

    pub(super) fn symbol(&self, name: &str) -> Option<Vec<u8>> {
        self.symbols.get(name).map(|file| file.to_vec())
    }

    fn add(&mut self, file: &FileDescriptorProto, bytes: &Bytes) {
        let package = file.package();
        for message in &file.message_type {
            self.add_message(package, message, bytes);
        }
        for values in &file.enum_type {
            self.add_enum(package, values, bytes);
        }
        for service in &file.service {
            let name = self.add_symbol(package, service.name(), bytes);
            for method in &service.method {
                self.add_symbol(&name, method.name(), bytes);
            }
        }
    }

    fn add_message(&mut self, scope: &str, message: &DescriptorProto, bytes: &Bytes) {
        let name = self.add_symbol(scope, message.name(), bytes);
        for nested in &message.nested_type {
            self.add_message(&name, nested, bytes);
        }
        for values in &message.enum_type {
            self.add_enum(&name, values, bytes);
        }
        let fields = message.field.iter().map(|field| field.name());
        for member in fields.chain(message.oneof_decl.iter().map(|oneof| oneof.name())) {
            self.add_symbol(&name, member, bytes);
        }
    }

    /// The values of an enum are siblings of its name.
    fn add_enum(&mut self, scope: &str, values: &EnumDescriptorProto, bytes: &Bytes) {
        self.add_symbol(scope, values.name(), bytes);
        for value in &values.value {
            self.add_symbol(scope, value.name(), bytes);
        }
    }

    fn add_symbol(&mut self, scope: &str, name: &str, bytes: &Bytes) -> String {
        let full = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.symbols.insert(full.clone(), bytes.clone());
        full
    }
}
