//! Finds parts of secrets in the memory of a process.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
};

/// Bytes of a part. Of secrets that are random, eight in a row stand nowhere by chance; any 15 of a form in a row hold one.
const PART: usize = 8;

const PAGE: usize = 4096;

/// Bits of a part's hash in the filter.
const FILTER_BITS: u32 = 20;

/// What is looked for: forms of secrets, cut into parts. So it is found as well where its beginning was overwritten, as that
/// of freed memory is.
pub(crate) struct Parts {
    /// Labels of the forms that a part is of.
    labels: HashMap<u64, Vec<String>>,
    /// Which hashes there are.
    filter: Vec<bool>,
}

/// Labels of what was found, with where.
pub(crate) type Found = BTreeMap<String, Vec<String>>;

fn hash(part: u64) -> usize {
    usize::try_from(part.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS)).unwrap()
}

impl Parts {
    pub(crate) fn new(forms: Vec<(String, Vec<u8>)>) -> Self {
        let mut parts = Self { labels: HashMap::new(), filter: vec![false; 1 << FILTER_BITS] };
        for (label, form) in forms {
            assert!(form.len() >= PART, "{label}");
            for part in form.as_chunks::<PART>().0 {
                let part = u64::from_le_bytes(*part);
                parts.filter[hash(part)] = true;
                parts.labels.entry(part).or_default().push(label.clone());
            }
        }
        parts
    }

    /// Everything of it in the memory that the process can read.
    ///
    /// # Errors
    /// The system does not let us.
    pub(crate) fn in_process(&self, id: u32) -> io::Result<Found> {
        let memory = File::open(format!("/proc/{id}/mem"))?;
        let maps = fs::read_to_string(format!("/proc/{id}/maps"))?;
        let mut found = Found::new();
        for line in maps.lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            let name = fields.get(5).copied().unwrap_or("[anonymous]");
            // The kernel's, shared by all processes; not memory that one can write to.
            if !fields[1].starts_with('r') || matches!(name, "[vvar]" | "[vvar_vclock]" | "[vsyscall]") {
                continue;
            }
            let (start, end) = fields[0].split_once('-').unwrap();
            let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
            let mut content = vec![0; usize::try_from(end - start).unwrap()];
            memory.read_exact_at(&mut content, start)?;
            self.in_bytes(&content, &mut |place, labels| {
                for label in labels {
                    let at = format!("{name}/{}K {:x}", (end - start) / 1024, start + place as u64);
                    found.entry(label.clone()).or_default().push(at);
                }
            });
        }
        Ok(found)
    }

    fn in_bytes(&self, bytes: &[u8], found: &mut dyn FnMut(usize, &[String])) {
        let mut last = 0_u64;
        for (page, content) in bytes.chunks(PAGE).enumerate() {
            if last == 0 && content == &[0; PAGE][..content.len()] {
                continue;
            }
            for (place, byte) in content.iter().enumerate() {
                last = last >> 8 | u64::from(*byte) << 56;
                if self.filter[hash(last)]
                    && let Some(labels) = self.labels.get(&last)
                {
                    found(page * PAGE + place + 1 - PART, labels);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_fifteen_bytes_of_a_form_are_found() {
        let form: Vec<_> = (1..=64).collect();
        let parts = Parts::new(vec![("form".to_owned(), form.clone())]);
        let count = |bytes: &[u8]| {
            let mut count = 0;
            parts.in_bytes(bytes, &mut |_, _| count += 1);
            count
        };
        for place in [0, 1, 7, PAGE - 20, PAGE - 9, PAGE - 1, 3 * PAGE - 15] {
            for from in 0..=form.len() - 15 {
                let mut bytes = vec![0; 3 * PAGE];
                let end = (place + 15).min(bytes.len());
                bytes[place..end].copy_from_slice(&form[from..from + 15][..end - place]);
                assert!(count(&bytes) > 0, "{place} {from}");
            }
        }
        assert_eq!(count(&vec![0; 3 * PAGE]), 0);
        assert_eq!(count(&form[1..15]), 0);
    }
}
