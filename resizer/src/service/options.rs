//! Transform options ↔ values of the engine. Both sides know an option by its name and its value as text: the message by
//! generated code, the engine by its table. No option is named here.

use safelight_image::options::{Options, Violation};
use safelight_proto::image::v1::TransformOptions;

/// What a message asks for.
///
/// # Errors
/// All violations at once; the fields are the message's.
pub(super) fn read(message: &TransformOptions) -> Result<Options, Vec<Violation>> {
    Options::from_texts(message.texts())
}

/// The message that asks for it. An automatic width has no field: it is left out.
pub(super) fn message(options: &Options) -> TransformOptions {
    let mut message = TransformOptions::default();
    for (name, text) in options.texts() {
        message.set_text(name, &text);
    }
    message
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};
    use safelight_image::options::table::{TABLE, Values};
    use safelight_proto::{
        FILE_DESCRIPTOR_SET,
        image::v1::{FocalMode, FocalPoint, Format, Gravity, Side, gravity::Anchor},
    };

    use super::*;

    fn described() -> (DescriptorProto, Vec<EnumDescriptorProto>) {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let file = set.file.into_iter().find(|file| file.package() == "safelight.image.v1").unwrap();
        let message = file.message_type.into_iter().find(|message| message.name() == "TransformOptions");
        (message.unwrap(), file.enum_type)
    }

    /// The names of an enumeration's values as texts, without that of 0.
    fn texts(choice: &EnumDescriptorProto) -> Vec<String> {
        let names: Vec<_> = choice.value.iter().map(|value| value.name().to_owned()).collect();
        let prefix = names[0].strip_suffix("UNSPECIFIED").unwrap().to_owned();
        let texts = names.iter().skip(1).map(|name| name.strip_prefix(&prefix).unwrap());
        texts.map(|name| name.to_lowercase().replace('_', "-")).collect()
    }

    #[test]
    fn the_table_and_the_protobuf_have_the_same_options() {
        let (message, choices) = described();
        let fields: Vec<_> = message.field.iter().map(|field| field.name().to_owned()).collect();
        let options: Vec<_> = TABLE.iter().map(|option| option.name.to_owned()).collect();
        assert_eq!(options, fields);
        for (option, field) in TABLE.iter().zip(&message.field) {
            let kind = field.type_name().rsplit('.').next().unwrap();
            let choice = choices.iter().find(|choice| choice.name() == kind);
            match (option.values, choice) {
                (Values::OneOf(names), Some(choice)) => {
                    let mut known = texts(choice);
                    known.retain(|text| text != "gif"); // read, but not written
                    assert_eq!(names, known, "{}", option.name);
                }
                (Values::Words(_), None) => {}
                (values, _) => panic!("{}: {values:?}", option.name),
            }
        }
    }

    /// A value that is not the default, of every option.
    fn examples(name: &str) -> Vec<String> {
        let examples: &[&str] = match name {
            "width" | "height" => &["1", "4294967295"],
            "gravity" => &["left", "right", "top", "bottom", "0.25x1", "0.1x0:box-center"],
            "background" => &["#ff000080"],
            _ => match TABLE.iter().find(|option| option.name == name).unwrap().values {
                Values::OneOf(names) => names,
                // Numbers: in the range of all of them, at least 1.
                Values::Words(_) => &["2", "1"],
            },
        };
        examples.iter().map(|&example| example.to_owned()).collect()
    }

    #[test]
    fn every_option_goes_both_ways() {
        for option in &TABLE {
            for example in examples(option.name) {
                let options = Options::from_texts([(option.name, &example)]).unwrap();
                let message = message(&options);
                assert_eq!(read(&message), Ok(options.clone()), "{}={example}", option.name);
                // And it is in the message: what a client reads, it can send.
                let sent = TransformOptions::decode(message.encode_to_vec().as_slice()).unwrap();
                assert_eq!(read(&sent).as_ref(), Ok(&options));
                let default = option.default().as_ref() == Some(&example);
                assert_eq!(options == Options::default(), default, "{}={example}", option.name);
            }
        }
        let all = TABLE.iter().map(|option| (option.name, examples(option.name).swap_remove(0)));
        let options = Options::from_texts(all).unwrap();
        assert_eq!(read(&message(&options)), Ok(options));
    }

    #[test]
    fn what_is_not_set_is_the_default() {
        assert_eq!(read(&TransformOptions::default()), Ok(Options::default()));
        assert_eq!(read(&message(&Options::default())), Ok(Options::default()));
        let auto = Options { auto_width: true, ..Options::default() };
        assert_eq!(message(&auto), message(&Options::default()));
    }

    #[test]
    fn the_default_of_gravity_may_be_said() {
        for side in [Side::Unspecified, Side::Center] {
            let gravity = Some(Gravity { anchor: Some(Anchor::Side(side.into())) });
            let message = TransformOptions { gravity, ..Default::default() };
            assert_eq!(read(&message), Ok(Options::default()));
        }
        let point = |mode: FocalMode| {
            let point = FocalPoint { x: 0.5, y: 0.25, mode: mode.into() };
            let gravity = Some(Gravity { anchor: Some(Anchor::Point(point)) });
            read(&TransformOptions { gravity, ..Default::default() }).unwrap()
        };
        assert_eq!(point(FocalMode::Unspecified), point(FocalMode::Remainder));
        assert_ne!(point(FocalMode::Unspecified), point(FocalMode::BoxCenter));
    }

    #[test]
    fn all_that_is_wrong_is_told_by_field() {
        let message = TransformOptions {
            width: Some(0),
            height: Some(0),
            fit: 99,
            gravity: Some(Gravity {
                anchor: Some(Anchor::Point(FocalPoint { x: f64::NAN, y: 2.0, mode: 0 })),
            }),
            dpr: Some(f64::INFINITY),
            quality: Some(256),
            format: Format::Gif.into(),
            background: "%23fff".to_owned(),
            quality_profile: -1,
            chroma: 420,
            light: 3,
            kernel: 7,
            ..Default::default()
        };
        let violations = read(&message).unwrap_err();
        let mut fields: Vec<_> = violations.into_iter().map(|violation| violation.field).collect();
        fields.sort_unstable();
        let mut all: Vec<_> = message.texts().into_iter().map(|(name, _)| name).collect();
        all.sort_unstable();
        assert_eq!(fields, all);
        assert!(all.len() >= 12);
    }
}
