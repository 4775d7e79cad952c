//! The list of variants.

use safelight_proto::{
    image::v1::{Fit, Format, Side, TransformOptions, gravity::Anchor},
    resizer::v1::{ListVariantsRequest, Variant},
};

use crate::harness::*;

const MORE: &str = "[variants.a]\nwidth = 1\n[variants.b]\nformat = 'png'\n[variants.zz]\n\
    [variants.full]\nwidth = 10\nheight = 20\nfit = 'aspect-crop'\ngravity = 'left'\ndpr = 1.5\nquality = 7\n\
    format = 'webp-lossless'\nbackground = '#ff000080'\npublic = true\n\
    [variants.point]\ngravity = '0.25x1'\n";

async fn list(local: &Local, page_size: u32, page_token: &str) -> (Vec<Variant>, String) {
    let request = ListVariantsRequest { page_size, page_token: page_token.into() };
    let answer = local.client.clone().list_variants(request).await.unwrap().into_inner();
    (answer.variants, answer.next_page_token)
}

#[tokio::test]
async fn pages_add_up_by_name() {
    let local = start_with(MORE).await;
    let (all, token) = list(&local, 0, "").await;
    let names: Vec<_> = all.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "card", "full", "point", "thumbnail", "zz"]);
    assert_eq!(token, "");
    for size in [1, 2, 3, 6, 7, 8, u32::MAX] {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let (page, next) = list(&local, size, &token).await;
            assert!(!page.is_empty() && page.len() as u64 <= u64::from(size));
            seen.extend(page);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, all, "{size}");
    }
    assert_eq!(list(&local, 0, "zz").await, (vec![], String::new()));
    assert_eq!(list(&local, 0, "y").await.0.len(), 1, "a token of a list that has changed");
}

#[tokio::test]
async fn a_variant_shows_what_it_makes() {
    let local = start_with(MORE).await;
    let all = list(&local, 0, "").await.0;
    let find = |name: &str| all.iter().find(|variant| variant.name == name).unwrap();
    let full = find("full");
    let options = full.options.clone().unwrap();
    assert!(full.public && !find("a").public);
    assert_eq!((options.width, options.height, options.fit()), (Some(10), Some(20), Fit::AspectCrop));
    assert_eq!((options.dpr, options.quality, options.format()), (Some(1.5), Some(7), Format::WebpLossless));
    assert_eq!(options.gravity.and_then(|gravity| gravity.anchor), Some(Anchor::Side(Side::Left.into())));
    assert_eq!(options.background, "#ff000080");

    let point = find("point").options.clone().unwrap();
    let Some(Anchor::Point(point)) = point.gravity.and_then(|gravity| gravity.anchor) else { panic!() };
    assert_eq!((point.x, point.y), (0.25, 1.0));
    let plain = find("zz").options.clone().unwrap();
    assert_eq!((plain.width, plain.height, plain.background.as_str()), (None, None, ""));
    assert_eq!((plain.quality, plain.dpr, plain.format()), (Some(85), Some(1.0), Format::Auto));
}

/// What the list shows can be asked for, and makes the same.
#[tokio::test]
async fn shown_options_are_askable() {
    let local = start_with(MORE).await;
    let source = safelight_local::picture::sample::png(48, 32).unwrap();
    for variant in list(&local, 0, "").await.0 {
        let options: TransformOptions = variant.options.unwrap();
        local
            .resize_one(options, source.clone())
            .await
            .unwrap_or_else(|status| panic!("{}: {status}", variant.name));
    }
}
