use proptest::prelude::*;

use super::*;

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
    assert_eq!(parse("f=baseline-jpeg").format, FormatChoice::Jpeg);
    assert_eq!(parse("background=#fff"), parse("background=%23FFFFFF"));
}

#[test]
fn reads_every_name() {
    for fit in Fit::ALL {
        assert_eq!(parse(&format!("fit={}", fit.name())).fit, fit);
    }
    for format in FormatChoice::ALL {
        assert_eq!(parse(&format!("format={}", format.name())).format, format);
    }
    for (name, gravity) in [
        ("left", Gravity::Left),
        ("right", Gravity::Right),
        ("top", Gravity::Top),
        ("bottom", Gravity::Bottom),
        ("center", Gravity::Center),
        ("1x0", Gravity::Point { x: 1.0, y: 0.0, mode: FocalMode::Remainder }),
        (".25x1.", Gravity::Point { x: 0.25, y: 1.0, mode: FocalMode::Remainder }),
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
        ("blur=5", "blur"),
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
    assert_eq!(refused("w=0,blur=1,fit=x,q=80"), ["width", "blur", "fit"]);
    assert_eq!(refused("dpr=3,q=0,g=2x2"), ["gravity", "dpr", "quality"]);
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
            ..Options::default()
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
