//! Tables and MCUs for tests: whatever a file can hold.

#![expect(clippy::cast_possible_truncation, reason = "bytes from small numbers")]

use super::layout::Block;
use super::segments::{HuffmanSpec, STANDARD, Tables};

/// A generator of numbers that are nobody's choice.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// Any code that fits in 16 bits, full or not, with any symbols.
    fn spec(&mut self) -> HuffmanSpec {
        let mut counts = [0_u8; 16];
        let (mut room, mut total) = (1, 0);
        for count in &mut counts {
            room *= 2;
            let most = if self.below(3) == 0 { room } else { room / 2 };
            let taken = self.below(most + 1).min(256 - total).min(255);
            *count = taken as u8;
            room -= taken;
            total += taken;
        }
        let symbols: Vec<u8> = (0..total).map(|_| self.below(256) as u8).collect();
        HuffmanSpec::new(counts, &symbols)
    }

    /// Annex K's tables and others.
    pub(super) fn tables(&mut self) -> Tables {
        let mut tables = Tables::default();
        for i in 0..4 {
            let known = self.below(4) == 0;
            tables.dc[i] = Some(if known { STANDARD[i & 1] } else { self.spec() });
            tables.ac[i] = Some(if known { STANDARD[2 + (i & 1)] } else { self.spec() });
        }
        tables
    }

    /// The blocks of an MCU.
    pub(super) fn blocks(&mut self) -> Vec<Block> {
        (0..1 + self.below(10))
            .map(|component| {
                let (keep_width, keep_height) = ([0, 1, 2, 4, 8][self.below(5)], [1, 2, 4, 8][self.below(4)]);
                let kept = keep_width * keep_height;
                let (dc, ac) = (self.below(4), self.below(4));
                let stride = if kept == 64 { 64 } else { kept + 1 };
                Block { component, x: 0, y: 0, dc, ac, keep_width, keep_height, stride }
            })
            .collect()
    }
}
