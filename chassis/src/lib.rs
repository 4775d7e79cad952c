//! How any of our gRPC processes runs.
