//! What is left on the stack of a thread, read from `/proc`.

use std::{fs::File, hint::black_box, os::unix::fs::FileExt as _, ptr, thread, time::SystemTime};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::apart;
use crate::scheme::{
    Tag,
    aws_sigv4::{Body, Credentials, Request, Scope, presign, sign_headers},
};

/// Bytes of the stack that are looked at: more than any wipe here takes.
const LOOK: usize = 256 * 1024;

/// Whether eight bytes in a row of a form of a secret are left on a stack that nobody else has used.
fn leaves<T>(form: &[u8], work: impl FnOnce() -> T + Send) -> bool {
    let work = || {
        let memory = File::open("/proc/self/mem").unwrap();
        let mut stack = vec![0; LOOK];
        let end = ptr::from_ref(&stack).addr();
        black_box(apart(work));
        memory.read_exact_at(&mut stack, (end - LOOK) as u64).unwrap();
        form.as_chunks::<8>().0.iter().any(|part| memchr::memmem::find(&stack, part).is_some())
    };
    thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[test]
fn pitfall_18_a_hash_leaves_nothing_of_a_secret() {
    fn check<D: Digest>(secret: &[u8]) {
        assert!(leaves(secret, || D::new().chain_update(secret).finalize()), "it is not looked for well");
        assert!(!leaves(secret, || Tag::of_hash::<D>([secret, b"message"])));
    }
    let secret = b"forty-eight bytes, less than what is hashed once";
    check::<Sha256>(secret);
    check::<Sha1>(secret);
    check::<Md5>(secret);
}

/// What SHA-256 holds (FIPS 180-4, section 5.3.3) after the block that HMAC makes of a key with a pad: that is its prepared key.
fn prepared(key: &[u8], pad: u8) -> Vec<u8> {
    let mut block = [pad; 64];
    block.iter_mut().zip(key).for_each(|(pad, byte)| *pad ^= byte);
    let mut state = [
        0x6a09_e667_u32,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    sha2::block_api::compress256(&mut state, &[block]);
    state.into_iter().flat_map(u32::to_ne_bytes).collect()
}

#[test]
fn pitfall_18_a_mac_leaves_nothing_of_its_key() {
    let secret = b"fake-secret";
    let key = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    for pad in [0x36, 0x5c] {
        let form = prepared(secret, pad);
        let unwiped = || key.clone().chain_update(b"message").finalize();
        assert!(leaves(&form, unwiped), "it is not looked for well");
        assert!(!leaves(&form, || Tag::of_mac(&key, ["message"])));
    }
}

#[test]
fn pitfall_18_sigv4_leaves_nothing_of_its_key() {
    let (secret, region) = ("fake-secret-access-key", "eu-west-1");
    let credentials = Credentials::new("AKID", secret, None);
    let url = "https://photos.s3.eu-west-1.amazonaws.com/a.jpg";
    let request = Request { method: "GET", url, headers: &[], body: Body::Unsigned };
    let scope = Scope::s3(region);
    let signing_key = || generate_signing_key(secret, SystemTime::UNIX_EPOCH, region, "s3");
    let form = signing_key();
    let unwiped = || calculate_signature(signing_key(), b"message");
    assert!(leaves(form.as_ref(), unwiped), "it is not looked for well");
    assert!(!leaves(form.as_ref(), || presign(&credentials, &request, &scope, 1, 60).unwrap()));
    assert!(!leaves(form.as_ref(), || sign_headers(&credentials, &request, &scope, 1).unwrap()));
}
