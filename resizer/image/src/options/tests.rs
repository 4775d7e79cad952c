use proptest::prelude::*;

use super::{
    table::{Entry, TABLE, Values},
    *,
};

fn parse(list: &str) -> Options {
    Options::parse(list).unwrap_or_else(|violations| panic!("{list}: {violations:?}"))
}

/// The fields that are refused.
fn refused(list: &str) -> Vec<String> {
    Options::parse(list).unwrap_err().into_iter().map(|violation| violation.field).collect()
}

#[test]
fn reads_a_full_list() {
    let options = parse(
        "width=400,height=300,fit=cover,gravity=0.5x0.3,dpr=2,quality=80,format=webp,background=%23ff0000",
    );
    assert_eq!(
        options,
        Options {
            width: NonZeroU32::new(400),
            auto_width: false,
            height: NonZeroU32::new(300),
            fit: Fit::Cover,
            gravity: Gravity::Point { x: 0.5, y: 0.3, mode: FocalMode::Remainder },
            dpr: 2.0,
            quality: 80,
            format: FormatChoice::Webp,
            background: Some(Color::new(255, 0, 0, 255)),
            ..Options::default()
        }
    );
}

#[test]
fn aliases_are_the_same_options() {
    assert_eq!(
        parse("w=4,h=3,g=left,q=80,f=png"),
        parse("width=4,height=3,gravity=left,quality=80,format=png")
    );
    assert_eq!(parse("profile=best"), parse("quality_profile=best"));
    assert_eq!(parse("f=baseline-jpeg").format, FormatChoice::Jpeg);
    assert_eq!(parse("background=#fff"), parse("background=%23FFFFFF"));
}

#[test]
fn reads_every_name() {
    for entry in &TABLE {
        for name in entry.aliases.iter().chain([&entry.name]) {
            assert!(std::ptr::eq(Entry::named(name).unwrap(), entry), "{name} is one option's");
        }
        let Values::OneOf(values) = entry.values else { continue };
        for &value in values {
            let options = parse(&format!("{}={value}", entry.name));
            assert_eq!(Options::parse(&options.to_string()), Ok(options.clone()));
            let is_default = entry.default().is_some_and(|default| default == value);
            assert_eq!(options == Options::default(), is_default, "{}={value}", entry.name);
        }
    }
    assert_eq!(parse("fit=aspect-crop").fit, Fit::AspectCrop);
    assert_eq!(parse("format=webp-lossless").format, FormatChoice::WebpLossless);
    assert_eq!(parse("profile=fast").quality_profile, QualityProfile::Fast);
    assert_eq!(parse("chroma=444").chroma, Chroma::Full);
    assert_eq!(parse("light=srgb").light, Light::Srgb);
    assert_eq!(parse("kernel=catmull-rom").kernel, Some(Kernel::CatmullRom));
    for (name, gravity) in [
        ("left", Gravity::Left),
        ("right", Gravity::Right),
        ("top", Gravity::Top),
        ("bottom", Gravity::Bottom),
        ("center", Gravity::Center),
        ("1x0", Gravity::Point { x: 1.0, y: 0.0, mode: FocalMode::Remainder }),
        (".25x1.", Gravity::Point { x: 0.25, y: 1.0, mode: FocalMode::Remainder }),
        ("1x0:remainder", Gravity::Point { x: 1.0, y: 0.0, mode: FocalMode::Remainder }),
        ("0.5x0.5:box-center", Gravity::Point { x: 0.5, y: 0.5, mode: FocalMode::BoxCenter }),
    ] {
        assert_eq!(parse(&format!("gravity={name}")).gravity, gravity);
    }
}

#[test]
fn refuses_what_it_does_not_do() {
    for (list, field) in [
        ("", "options"),
        ("width", "options"),
        ("width=1,", "options"),
        (",width=1", "options"),
        ("glow=5", "glow"),
        ("Width=5", "Width"),
        (" width=5", " width"),
        ("onerror=redirect", "onerror"),
        ("width=0", "width"),
        ("width=-1", "width"),
        ("width=+1", "width"),
        ("width=1.5", "width"),
        ("width= 1", "width"),
        ("width=", "width"),
        ("height=auto", "height"),
        ("width=auto,w=4", "width"),
        ("width=Auto", "width"),
        ("width=4294967296", "width"),
        ("h=1e3", "height"),
        ("fit=fill", "fit"),
        ("fit=Cover", "fit"),
        ("gravity=auto", "gravity"),
        ("gravity=face", "gravity"),
        ("gravity=0.5", "gravity"),
        ("gravity=0.5x", "gravity"),
        ("gravity=1.1x0", "gravity"),
        ("gravity=NaNx0", "gravity"),
        ("gravity=-0.1x0", "gravity"),
        ("gravity=0.5x0.5:middle", "gravity"),
        ("dpr=0", "dpr"),
        ("dpr=2.1", "dpr"),
        ("dpr=inf", "dpr"),
        ("dpr=NaN", "dpr"),
        ("dpr=1e0", "dpr"),
        ("dpr=.", "dpr"),
        ("quality=0", "quality"),
        ("quality=101", "quality"),
        ("quality=300", "quality"),
        ("quality=high", "quality"),
        ("format=avif", "format"),
        ("format=gif", "format"),
        ("format=json", "format"),
        ("quality_profile=Best", "quality_profile"),
        ("profile=", "quality_profile"),
        ("profile=best,quality_profile=best", "quality_profile"),
        ("quality-profile=best", "quality-profile"),
        ("chroma=422", "chroma"),
        ("light=gamma", "light"),
        ("kernel=lanczos", "kernel"),
        ("blur=250.1", "blur"),
        ("blur=-1", "blur"),
        ("blur=", "blur"),
        ("background=red", "background"),
        ("background=rgb(0", "background"),
        ("background=%23zzz", "background"),
        ("background=%ff", "background"),
        ("width=1,width=1", "width"),
        ("width=1,w=1", "width"),
    ] {
        assert_eq!(refused(list), [field], "{list}");
    }
    assert_eq!(refused(&"w=1,".repeat(300)), ["options"]);
}

#[test]
fn reports_everything_at_once() {
    assert_eq!(refused("w=0,glow=1,fit=x,q=80"), ["width", "glow", "fit"]);
    assert_eq!(refused("dpr=3,q=0,g=2x2"), ["gravity", "dpr", "quality"]);
    assert_eq!(refused("dpr=3,w=0"), ["width", "dpr"]);
}

#[test]
fn canonical_text_is_unique() {
    assert_eq!(Options::default().to_string(), "fit=scale-down,gravity=center,dpr=1,quality=85,format=auto");
    assert_eq!(parse("q=85,w=10").to_string(), parse("width=10,dpr=1.0,fit=scale-down").to_string());
    let (mut a, mut b) = (Options::default(), Options::default());
    a.gravity = Gravity::Point { x: -0.0, y: 0.0, mode: FocalMode::Remainder };
    b.gravity = Gravity::Point { x: 0.0, y: -0.0, mode: FocalMode::Remainder };
    assert_eq!(a, b);
    assert_eq!(a.to_string(), b.to_string());
    assert_eq!(parse("background=white").to_string(), parse("background=%23fff").to_string());
}

/// Stored results and entity tags are found by it: what it was for the options that there were first, it stays.
#[test]
fn canonical_text_stays() {
    let all = "width=400,height=300,fit=pad,gravity=0.5x0.25:box-center,dpr=1.5,quality=80,format=webp,background=%23ff000080";
    assert_eq!(parse(all).to_string(), all);
    assert_eq!(
        parse("w=auto").to_string(),
        "width=auto,fit=scale-down,gravity=center,dpr=1,quality=85,format=auto"
    );
    // Later options appear where they are not the default.
    let defaults = "quality_profile=balanced,chroma=auto,light=linear,blur=0.0";
    assert_eq!(parse(defaults).to_string(), Options::default().to_string());
    let later = "quality_profile=best,chroma=420,light=srgb,kernel=box,blur=2.5";
    assert_eq!(parse(later).to_string(), format!("{},{later}", Options::default()));
}

#[test]
fn texts_are_options_without_escapes() {
    let texts = [("background", "#fff"), ("w", "5")];
    assert_eq!(Options::from_texts(texts), Ok(parse("background=%23fff,width=5")));
    assert!(Options::from_texts([("background", "%23fff")]).is_err());
    assert_eq!(Options::from_texts::<&str, &str>([]), Ok(Options::default()));
    let options = parse("width=5,kernel=box,background=%23fff");
    assert_eq!(Options::from_texts(options.texts()), Ok(options));
}

/// `docs/options.md` has the table. After a change of options: what this test shows goes there.
#[test]
fn documentation_has_the_table() {
    let mut table = "| option | also | values | default | |\n| --- | --- | --- | --- | --- |\n".to_owned();
    let code = |text: &str| format!("`{text}`");
    for entry in &TABLE {
        let values = match entry.values {
            Values::Words(words) => words.to_owned(),
            Values::OneOf(names) => names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", "),
        };
        let aliases: Vec<_> = entry.aliases.iter().map(|alias| code(alias)).collect();
        let default = entry.default().map_or_else(|| "unset".to_owned(), |default| code(&default));
        let cells = [&code(entry.name), &aliases.join(", "), &values, &default, entry.about];
        assert!(cells.iter().all(|cell| !cell.contains('|')));
        table += &format!("| {} |\n", cells.join(" | "));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/options.md");
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.contains(&format!("\n{table}\n")), "docs/options.md must have this table:\n{table}");
}

proptest! {
    /// Text and value say the same, for every valid value.
    #[test]
    fn text_round_trips(
        width in proptest::option::of(1..=u32::MAX),
        auto in any::<bool>(),
        height in proptest::option::of(1..=u32::MAX),
        fit in proptest::sample::select(&Fit::ALL[..]),
        format in proptest::sample::select(&FormatChoice::ALL[..]),
        point in proptest::option::of((0.0..=1.0f64, 0.0..=1.0f64, any::<bool>())),
        dpr in 1e-9..=2.0f64,
        quality in 1..=100u8,
        background in proptest::option::of(any::<[u8; 4]>()),
        quality_profile in proptest::sample::select(&QualityProfile::ALL[..]),
        chroma in proptest::sample::select(&Chroma::ALL[..]),
        light in proptest::sample::select(&Light::ALL[..]),
        kernel in proptest::option::of(proptest::sample::select(&Kernel::ALL[..])),
        blur in 0.0..=250.0f64,
    ) {
        let options = Options {
            width: width.and_then(NonZeroU32::new),
            auto_width: auto && width.is_none(),
            height: height.and_then(NonZeroU32::new),
            fit,
            gravity: point.map_or(Gravity::Bottom, |(x, y, remainder)| Gravity::Point {
                x, y, mode: if remainder { FocalMode::Remainder } else { FocalMode::BoxCenter },
            }),
            dpr, quality, format,
            background: background.map(|[r, g, b, a]| Color::new(r, g, b, a)),
            quality_profile, chroma, light, kernel, blur,
        };
        prop_assert_eq!(Options::parse(&options.to_string()), Ok(options));
    }

    /// No text makes it panic.
    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}", list in "((w|h|q|g|fit|dpr|background)=[%#0-9a-fx.:-]{0,9},?){0,4}") {
        let _ = Options::parse(&text);
        let _ = Options::parse(&list);
    }
}
