//! A signer that is gone at each step of an upload, and an S3 that fails at each: the reason, and what is left.

use std::time::Duration;

use futures_util::stream;
use image::ImageFormat;
use safelight_proto::{reason::Reason, signer::v1::UploadTokenState};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::{
    harness::PATIENCE,
    pictures::noise_file,
    store_site::{Fault, Site, Token, Told, messages, open, store_at_last},
};

const BRIEF: Duration = Duration::from_secs(2);

fn picture() -> Vec<u8> {
    noise_file(40, 30, ImageFormat::Jpeg)
}

/// The upload can be repeated, and is stored once.
async fn ends_well(site: &Site, token: &Token, id: &str, replayed: bool) {
    let bytes = picture();
    let told = store_at_last(&mut site.clients(), &token.token, id, &bytes).await;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    assert_eq!(told, Told::Stored { key: token.key.clone(), sha256, replayed });
    assert_eq!(site.clients().state(&token.token).await, UploadTokenState::Redeemed);
    let path = format!("/photos/{}", token.key);
    let written = site.proxy.puts().iter().filter(|put| put.path == path && put.status == 200).count();
    assert_eq!(written, 1);
    assert_eq!(site.object(&token.key).await.as_deref(), Some(&bytes[..]));
}

#[tokio::test]
async fn a_signer_that_is_gone_at_each_step() {
    let mut site = Site::start().await;
    let (mut clients, bytes) = (site.clients(), picture());

    // Before the upload begins.
    let token = clients.token().await;
    site.signer.kill();
    let told = clients.store(messages(open(&token.token, "a"), &bytes), PATIENCE).await;
    assert!(told.is(Reason::SignerUnavailable), "{told:?}");
    let told = clients.put(&token.token, "a", &bytes, PATIENCE).await;
    assert!(told.is(Reason::SignerUnavailable), "{told:?}");
    assert!(site.proxy.puts().is_empty());
    site.signer.restart();
    site.signer.listening().await;
    ends_well(&site, &token, "a", false).await;

    // While bytes come.
    let token = clients.token().await;
    let (sender, mut receiver) = mpsc::channel(8);
    let mut sent = messages(open(&token.token, "b"), &bytes);
    let finish = sent.pop().unwrap();
    for message in sent {
        sender.send(message).await.unwrap();
    }
    let mut resizer = clients.resizer.clone();
    let call =
        tokio::spawn(async move { resizer.store(stream::poll_fn(move |cx| receiver.poll_recv(cx))).await });
    crate::harness::eventually("a reservation", async || {
        (site.clients().state(&token.token).await == UploadTokenState::Reserved).then_some(())
    })
    .await;
    site.signer.kill();
    sender.send(finish).await.unwrap();
    let told = Told::of(call.await.unwrap().map(tonic::Response::into_inner));
    assert!(told.is(Reason::SignerUnavailable), "{told:?}");
    assert_eq!(site.proxy.puts().len(), 1);
    site.signer.restart();
    site.signer.listening().await;
    ends_well(&site, &token, "b", false).await;

    // When the object is stored, and the signer has not heard of it.
    let token = clients.token().await;
    site.proxy.set("PUT", Some(Fault::Hold));
    let mut other = site.clients();
    let (name, file) = (token.token.clone(), bytes.clone());
    let call = tokio::spawn(async move { other.store(messages(open(&name, "c"), &file), PATIENCE).await });
    site.proxy.held().await;
    site.signer.kill();
    site.proxy.set("PUT", None);
    site.proxy.go_on();
    let told = call.await.unwrap();
    assert!(told.is(Reason::SignerUnavailable), "{told:?}");
    site.signer.restart();
    site.signer.listening().await;
    assert_eq!(clients.state(&token.token).await, UploadTokenState::Reserved);
    ends_well(&site, &token, "c", true).await;
    // And the answer stays.
    ends_well(&site, &token, "c", true).await;
}

#[tokio::test]
async fn an_s3_that_fails_at_the_put() {
    let site = Site::start().await;
    let (mut clients, bytes) = (site.clients(), picture());
    for (fault, reason, is_stored) in [
        (Fault::Unavailable, Reason::OriginUnavailable, false),
        (Fault::Close, Reason::OriginUnavailable, false),
        (Fault::Silent, Reason::DeadlineExceeded, false),
        (Fault::LostAnswer, Reason::OriginUnavailable, true),
        (Fault::HalfAnswer, Reason::OriginUnavailable, true),
        (Fault::DoneAnd503, Reason::OriginUnavailable, true),
    ] {
        let token = clients.token().await;
        site.proxy.set("PUT", Some(fault));
        let told = clients.store(messages(open(&token.token, "a"), &bytes), BRIEF).await;
        println!("PUT {fault:?}: {told:?}");
        site.proxy.set("PUT", None);
        // A client hears of its own deadline from either end.
        let is_deadline = reason == Reason::DeadlineExceeded && told == Told::Lost;
        let is_adopted = is_stored && matches!(told, Told::Stored { .. });
        assert!(told.is(reason) || is_deadline || is_adopted, "{fault:?}: {told:?}");
        assert_eq!(site.object(&token.key).await.is_some(), is_stored, "{fault:?}");
        if !is_adopted {
            assert_ne!(clients.state(&token.token).await, UploadTokenState::Redeemed);
        }
        ends_well(&site, &token, "a", is_stored).await;
    }
    let token = clients.token().await;
    site.proxy.set("PUT", Some(Fault::Slow(Duration::from_secs(1))));
    let told = clients.store(messages(open(&token.token, "a"), &bytes), PATIENCE).await;
    assert!(matches!(told, Told::Stored { replayed: false, .. }), "{told:?}");
    site.proxy.set("PUT", None);
    ends_well(&site, &token, "a", true).await;
}

#[tokio::test]
async fn an_s3_that_fails_at_the_head() {
    let site = Site::start().await;
    let (mut clients, bytes) = (site.clients(), picture());
    for (fault, reason) in [
        (Fault::Unavailable, Reason::OriginUnavailable),
        (Fault::Close, Reason::OriginUnavailable),
        (Fault::Silent, Reason::DeadlineExceeded),
        (Fault::HalfAnswer, Reason::OriginUnavailable),
    ] {
        // The object is there, and its upload does not know it.
        let token = clients.token().await;
        site.proxy.set("PUT", Some(Fault::LostAnswer));
        site.proxy.set("HEAD", Some(fault));
        let told = clients.store(messages(open(&token.token, "a"), &bytes), BRIEF).await;
        println!("PUT without an answer, then HEAD {fault:?}: {told:?}");
        site.proxy.set("PUT", None);
        let told = clients.store(messages(open(&token.token, "a"), &bytes), BRIEF).await;
        println!("HEAD {fault:?}: {told:?}");
        let is_deadline = reason == Reason::DeadlineExceeded && told == Told::Lost;
        assert!(told.is(reason) || is_deadline, "{fault:?}: {told:?}");
        assert_ne!(clients.state(&token.token).await, UploadTokenState::Redeemed);
        site.proxy.set("HEAD", None);
        // Another attempt finds it as well: the token was given back.
        let id = if reason == Reason::DeadlineExceeded { "a" } else { "b" };
        ends_well(&site, &token, id, true).await;
    }
}
