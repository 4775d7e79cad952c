//! The methods. One that is not here cannot be granted, and so not be called: a test compares with the contract.

use safelight_chassis::access::{Method, Methods};

const RESIZER: &str = "safelight.resizer.v1.ResizerService";

/// Every method.
pub const METHODS: Methods = Methods::new(&[
    Method::new(RESIZER, "Resize"),
    Method::new(RESIZER, "ResizeObject"),
    // Its URL may be of a public variant.
    Method::new(RESIZER, "Deliver").public_without_grant(),
    Method::new(RESIZER, "Inspect"),
    Method::new(RESIZER, "Store"),
    Method::new(RESIZER, "UpdateObject"),
    Method::new(RESIZER, "DeleteObject"),
    Method::new(RESIZER, "PurgeObject"),
    Method::new(RESIZER, "ListVariants"),
]);
