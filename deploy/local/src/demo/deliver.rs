//! A URL signed, delivered over gRPC, and refused when changed.

use safelight_chassis::BoxError;
use safelight_proto::{
    framing::{Assembler, Picture},
    reason,
    resizer::v1::{
        DeliverRequest, Delivery, DeliveryOutcome, deliver_response,
        resizer_service_client::ResizerServiceClient,
    },
};
use tonic::{Code, Status, transport::Channel};

use super::{Demo, PUBLIC, ensure};

impl Demo<'_> {
    /// As a program between the client and the resizer would ask.
    pub(super) async fn deliver(&self, base: &str) -> Result<(), BoxError> {
        self.say.line("\n3. A private picture delivered by its signed URL, and by no other (gRPC)");
        let mut resizer = self.stack.resizer_client().await?;
        let url = format!("{base}/width=600,height=600,fit=cover");
        let signed_url = self.sign(&url, 3600).await?;
        self.say.step("SignUrl", "…/width=600,height=600,fit=cover?exp=…&sig=…, for an hour");

        let (delivery, picture) = fetch(&mut resizer, &signed_url, "").await?;
        let picture = picture.ok_or("a valid URL must be answered with a picture")?;
        self.write(&picture, "delivered")?;
        let max_age = delivery.max_age.map_or(0, |age| age.seconds);
        ensure((1..=3600).contains(&max_age), "the cache lifetime must end with the URL")?;
        self.say.step("cache", format!("etag {}, max-age {max_age}", delivery.etag));

        let (again, picture) = fetch(&mut resizer, &signed_url, &delivery.etag).await?;
        let unchanged = again.outcome() == DeliveryOutcome::NotModified && picture.is_none();
        ensure(unchanged, "an unchanged picture must not be sent again")?;
        self.say.step("If-None-Match", again.outcome().as_str_name());

        let (_, picture) = fetch(&mut resizer, &format!("{base}/{PUBLIC}"), "").await?;
        self.write(&picture.ok_or("a public variant needs no signature")?, "public-thumbnail")?;

        let changed = signed_url.replace("width=600", "width=601");
        self.refused_call("changed URL", &changed).await?;
        self.refused_call("unsigned URL", &url).await
    }

    /// `Deliver` must refuse the URL as such.
    pub(super) async fn refused_call(&self, what: &str, url: &str) -> Result<(), BoxError> {
        let mut resizer = self.stack.resizer_client().await?;
        let Err(error) = fetch(&mut resizer, url, "").await else {
            return Err(format!("{what}: it was not refused").into());
        };
        let Some(status) = error.downcast_ref::<Status>() else { return Err(error) };
        let reason = reason::of(status).unwrap_or_default();
        let refused = status.code() == Code::PermissionDenied && reason == "URL_REFUSED";
        ensure(refused, &format!("{what}: {status}"))?;
        self.say.step(what, format!("PERMISSION_DENIED {reason}"));
        Ok(())
    }
}

async fn fetch(
    resizer: &mut ResizerServiceClient<Channel>,
    url: &str,
    if_none_match: &str,
) -> Result<(Delivery, Option<Picture>), BoxError> {
    let request = DeliverRequest {
        url: url.to_owned(),
        accept: "image/webp,*/*".into(),
        if_none_match: if_none_match.to_owned(),
        ..Default::default()
    };
    let mut messages = resizer.deliver(request).await?.into_inner();
    let mut delivery = None;
    let mut assembler = Assembler::default();
    while let Some(response) = messages.message().await? {
        match response.message.ok_or("an empty answer")? {
            deliver_response::Message::Delivery(first) => delivery = Some(first),
            deliver_response::Message::Frame(frame) => assembler.push(frame)?,
        }
    }
    let delivery = delivery.ok_or("an answer must begin with its delivery")?;
    if delivery.outcome() == DeliveryOutcome::NotModified {
        return Ok((delivery, None));
    }
    let (mut pictures, _) = assembler.finish()?;
    Ok((delivery, pictures.pop()))
}
