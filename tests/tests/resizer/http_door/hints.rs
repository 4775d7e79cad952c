//! Client hints.

use safelight_local::picture::sample;

use super::wire::*;
use crate::harness::*;

async fn start_hints(allowed: bool) -> Local {
    let local = start_with(format!(
        "[variants.auto]\nwidth = 'auto'\nformat = 'jpeg'\npublic = true\n\
         [variants.small]\nwidth = 200\nformat = 'jpeg'\npublic = true\n\
         [[routes]]\npath = '/h/{{key...}}/{{variant}}'\norigin = 'photos'\nurl_key = 'web'\nflexible = true\n\
         [routes.http]\nclient_hints = {allowed}\n"
    ))
    .await;
    local.put("a.jpg", sample::jpeg(1600, 16).unwrap()).await;
    local
}

#[tokio::test]
async fn they_decide_the_width_and_the_tag() {
    let local = start_hints(true).await;
    let mut tags = Vec::new();
    for (lines, width) in [
        (&[][..], 1200),
        (&["Sec-CH-Width: 300"], 320),
        (&["Width: 700"], 768),
        (&["Sec-CH-Width: 900", "Width: 1"], 960),
        (&["Sec-CH-UA-Mobile: ?1"], 768),
        (&["Sec-CH-Width: 5000"], 1200),
        (&["Sec-CH-Width: nonsense"], 1200),
    ] {
        let answer = get(&local, "/h/a.jpg/auto", lines).await;
        assert_eq!(answer.size().0, width, "{lines:?}");
        assert_eq!(answer.vary(), ["Sec-CH-Width", "Width", "Sec-CH-UA-Mobile", "Save-Data"]);
        assert_eq!(answer.header("accept-ch"), Some("Sec-CH-Width, Sec-CH-DPR, Width, DPR"));
        tags.push((width, answer.header("etag").unwrap().to_owned()));
    }
    for (width, tag) in &tags {
        for (other_width, other) in &tags {
            assert_eq!(width == other_width, tag == other, "{width} {other_width}");
        }
    }

    for (lines, width) in [
        (&[][..], 200),
        (&["Sec-CH-DPR: 1.2"], 300),
        (&["DPR: 3.5"], 400),
        (&["Sec-CH-DPR: 2.0", "Save-Data: on"], 200),
    ] {
        let answer = get(&local, "/h/a.jpg/small", lines).await;
        assert_eq!(answer.size().0, width, "{lines:?}");
        assert_eq!(answer.vary(), ["Sec-CH-DPR", "DPR", "Save-Data"]);
    }
    let (plain, saving) =
        (get(&local, "/h/a.jpg/small", &[]).await, get(&local, "/h/a.jpg/small", &["Save-Data: on"]).await);
    assert!(saving.body.len() < plain.body.len());

    // In a signed list; what was signed is the list as it stands.
    let signed = local.sign("/h/a.jpg/width=auto,format=png").await;
    assert_eq!(get(&local, &signed, &["Sec-CH-Width: 10"]).await.size().0, 320);
    get(&local, &signed.replace("auto", "320"), &[]).await.refused(403, "URL_REFUSED");
}

#[tokio::test]
async fn where_they_are_not_allowed_they_are_not_read() {
    let local = start_hints(false).await;
    for (path, width) in [("/h/a.jpg/auto", 1200), ("/h/a.jpg/small", 200)] {
        let answer = get(&local, path, &["Sec-CH-Width: 10", "Sec-CH-DPR: 2", "Save-Data: on"]).await;
        assert_eq!((answer.size().0, answer.header("vary"), answer.header("accept-ch")), (width, None, None));
        // As over gRPC, where there are none.
        let (delivery, _) = local.get(path).await.unwrap();
        assert_eq!(answer.header("etag"), Some(delivery.etag.as_str()));
    }
}
