//! How large a picture a route gives out.

use safelight_local::picture::sample;
use safelight_proto::{framing::Picture, reason::Reason};
use tonic::Status;

use crate::harness::*;

/// Routes to the S3 origin: bounded by sides, by area, and clamping.
const ROUTES: &str = "[variants.own]\nformat = 'png'\n[variants.open]\nformat = 'png'\npublic = true\n\
    [[routes]]\npath = '/sides/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nflexible = true\n\
    max_width = 100\nmax_height = 80\n\
    [[routes]]\npath = '/area/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nflexible = true\n\
    max_area = 5000\n\
    [[routes]]\npath = '/clamp/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nflexible = true\n\
    max_width = 100\nmax_height = 80\non_exceed = 'clamp'\n";

async fn start_bounded() -> Local {
    let local = start_with(ROUTES).await;
    local.put("large.png", sample::png(300, 200).unwrap()).await;
    local.put("small.png", sample::png(60, 40).unwrap()).await;
    local.put("turned.jpg", sample::oriented_jpeg(90, 110, 6).unwrap()).await;
    local
}

async fn signed(local: &Local, path: &str) -> Result<Picture, Status> {
    let url = local.sign(path).await;
    local.get(&url).await.map(|(_, picture)| picture.unwrap())
}

#[tokio::test]
async fn larger_than_the_route_allows_is_refused() {
    let local = start_bounded().await;
    for path in [
        "/sides/large.png/own",
        "/sides/large.png/open",
        "/sides/large.png/quality=80",
        "/sides/large.png/width=101",
        "/sides/large.png/height=81",
        "/sides/large.png/width=60,dpr=2",
        "/sides/large.png/width=10,height=10,fit=scale-up",
        "/sides/small.png/width=101,height=10,fit=pad",
        "/sides/small.png/width=4294967295,height=4294967295,fit=squeeze",
        // As a viewer sees it: 90 wide and 110 high, stored as 110 by 90.
        "/sides/turned.jpg/own",
        "/area/large.png/own",
        "/area/large.png/width=100,height=51,fit=cover",
    ] {
        refused(signed(&local, path).await, Reason::SizeRefused);
    }
    // Public is no way around.
    refused(local.get("/sides/large.png/open").await, Reason::SizeRefused);
    for (path, dimensions) in [
        ("/sides/small.png/own", (60, 40)),
        ("/sides/large.png/width=100", (100, 67)),
        ("/sides/large.png/width=100,height=80,fit=cover", (100, 80)),
        ("/sides/large.png/width=1000,height=80", (120, 80)),
        ("/area/large.png/width=100,height=50,fit=cover", (100, 50)),
    ] {
        let answer = signed(&local, path).await;
        if dimensions.0 > 100 {
            refused(answer, Reason::SizeRefused);
        } else {
            assert_eq!(size(&answer.unwrap()), dimensions, "{path}");
        }
    }
}

#[tokio::test]
async fn or_made_smaller_where_the_route_says_so() {
    let local = start_bounded().await;
    for (path, dimensions) in [
        ("/clamp/large.png/own", (100, 67)),
        ("/clamp/large.png/width=300,height=300,fit=cover", (80, 80)),
        ("/clamp/small.png/own", (60, 40)),
        ("/clamp/small.png/width=4000,height=4000,fit=contain", (100, 67)),
        ("/clamp/turned.jpg/own", (65, 80)),
    ] {
        assert_eq!(size(&signed(&local, path).await.unwrap()), dimensions, "{path}");
    }
    assert_eq!(size(&local.get("/clamp/large.png/open").await.unwrap().1.unwrap()), (100, 67));
}
