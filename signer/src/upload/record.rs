//! What is kept of a token.

/// Everything that is kept of a token. Not the token: only its hash, as the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The tenant.
    pub account: String,
    /// When it stops being valid, in Unix seconds.
    pub expires: u64,
    /// What has become of it.
    pub state: State,
    /// What never changes, and no decision looks at.
    pub details: Details,
}

impl Record {
    /// When nothing more happens to it unasked, in Unix seconds: it has expired, its lease has ended, and it was redeemed or
    /// cancelled, if it was. How long it is kept counts from here.
    #[must_use]
    pub fn over(&self) -> u64 {
        match self.state {
            State::Pending => self.expires,
            State::Reserved { until: at, .. } | State::Redeemed { at, .. } | State::Cancelled { at } => {
                self.expires.max(at)
            }
        }
    }
}

/// What has become of a token. That its time has passed, or that of a lease, is no state: it is told from the clock, every
/// time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Neither reserved, redeemed nor cancelled.
    Pending,
    /// Reserved; once the lease has ended, by a request that has not come back yet.
    Reserved {
        /// By which request; never empty.
        request_id: String,
        /// When the lease ends, in Unix seconds.
        until: u64,
    },
    /// Redeemed, for good.
    Redeemed {
        /// When, in Unix seconds.
        at: u64,
        /// By which request; empty for one that cannot be repeated.
        request_id: String,
    },
    /// Cancelled, for good.
    Cancelled {
        /// When, in Unix seconds.
        at: u64,
    },
}

impl State {
    /// When it was redeemed, in Unix seconds.
    #[must_use]
    pub const fn redeemed(&self) -> Option<u64> {
        match self {
            Self::Redeemed { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// When its lease ends, in Unix seconds.
    #[must_use]
    pub const fn leased(&self) -> Option<u64> {
        match self {
            Self::Reserved { until, .. } => Some(*until),
            _ => None,
        }
    }
}

/// What was said when the token was created. This is also how both stores keep it: tags are for good.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Details {
    /// When it was created, in Unix seconds.
    #[prost(uint64, tag = "1")]
    pub created: u64,
    /// The id that the image shall have.
    #[prost(string, tag = "2")]
    pub image_id: String,
    /// Who uploads.
    #[prost(string, tag = "3")]
    pub creator: String,
    /// Opaque here: a `google.protobuf.Struct`.
    #[prost(bytes = "vec", tag = "4")]
    pub metadata: Vec<u8>,
    /// Whether the image shall be delivered by signed URLs only.
    #[prost(bool, tag = "5")]
    pub require_signed_urls: bool,
    /// Most bytes of the file; 0 for no limit.
    #[prost(uint64, tag = "6")]
    pub max_bytes: u64,
    /// Content types that are accepted; none for any.
    #[prost(string, repeated, tag = "7")]
    pub allowed_content_types: Vec<String>,
}
