//! Holds the keys: signs and verifies.
