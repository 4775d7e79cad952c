//! What an authentic token says about when and for whom it is good.

use ipnet::IpNet;

use super::url::{Policy, Presented, Refusal};

pub(super) struct Claims {
    pub(super) expires: u64,
    pub(super) starts: Option<u64>,
    pub(super) client: Option<IpNet>,
}

impl Claims {
    /// Checks them: first the times, then the client.
    ///
    /// # Errors
    /// The first that does not hold.
    pub(super) fn check(&self, policy: &Policy, presented: &Presented<'_>) -> Result<(), Refusal> {
        if policy.is_over(self.expires, presented.now) {
            return Err(Refusal::Expired);
        }
        if self.starts.is_some_and(|starts| policy.is_early(starts, presented.now)) {
            return Err(Refusal::NotYetValid);
        }
        // A socket for both families has IPv4 addresses as `::ffff:a.b.c.d`.
        let client = presented.client.map(|client| client.to_canonical());
        match self.client {
            Some(range) if client.is_none_or(|client| !range.contains(&client)) => {
                Err(Refusal::ClientMismatch)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pitfall_04_times_before_clients() {
        let policy = Policy { require_expiry: true, clock_skew: 10, max_target_bytes: 100 };
        let claims = Claims { expires: 200, starts: Some(100), client: "192.0.2.0/24".parse().ok() };
        let at = |now, client: &str| {
            claims.check(&policy, &Presented { client: client.parse().ok(), ..Presented::target("/", now) })
        };
        assert_eq!(at(89, "192.0.2.1"), Err(Refusal::NotYetValid));
        assert_eq!(at(90, "192.0.2.1"), Ok(()));
        assert_eq!(at(209, "::ffff:192.0.2.255"), Ok(()));
        assert_eq!(at(210, "192.0.2.1"), Err(Refusal::Expired));
        for other in ["192.0.3.1", "::ffff:192.0.3.1", "::1", ""] {
            assert_eq!(at(150, other), Err(Refusal::ClientMismatch), "{other}");
            assert_eq!(at(210, other), Err(Refusal::Expired), "{other}");
        }
    }
}
