//! The chassis from outside: real sockets, real HTTP/2, a small service that does what it is told.

// `cfg(test)`: so that clippy knows the helpers for tests too.
#[cfg(test)]
mod access;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod capacity;
mod connections;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod health;
#[cfg(test)]
mod http_port;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod panics;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod reflection;
#[cfg(test)]
mod request_ids;
