//! What goes into a coding, metered: no coding can take it all and give nothing.

use std::{
    cell::Cell,
    io::{self, BufRead, Read},
    rc::Rc,
};

use super::PIECE;

/// A count of bytes: of what one coding gave, and the next one took.
pub(super) type Count = Rc<Cell<u64>>;

/// A reader that gives out a piece at a time. Before each piece it looks whether the work is to end, and whether the
/// coding behind it gives anything for what it takes.
pub(super) struct Metered<'a, R> {
    inner: R,
    /// What was given out.
    given: Count,
    /// What came of it.
    yielded: Count,
    /// How far `yielded` may stay behind: what the coding holds back.
    lag: u64,
    look_at: u64,
    is_over: &'a dyn Fn() -> bool,
}

impl<'a, R: BufRead> Metered<'a, R> {
    pub(super) fn new(
        inner: R,
        given: Count,
        yielded: Count,
        lag: u64,
        is_over: &'a dyn Fn() -> bool,
    ) -> Self {
        Self { inner, given, yielded, lag, look_at: PIECE as u64, is_over }
    }

    fn look(&self) -> io::Result<()> {
        let (given, yielded) = (self.given.get(), self.yielded.get());
        if (self.is_over)() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "there is no time left"));
        }
        // Coded bytes are fewer than what they come to, but for what the coding adds.
        if given > 2 * yielded + self.lag {
            let text = format!("{given} bytes came to {yielded}: no image is stored so");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }
}

impl<R: BufRead> BufRead for Metered<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let given = self.given.get();
        if given >= self.look_at {
            self.look()?;
            self.look_at = given + PIECE as u64;
        }
        let left = usize::try_from(self.look_at - given).unwrap_or(PIECE);
        let buffer = self.inner.fill_buf()?;
        Ok(buffer.get(..left).unwrap_or(buffer))
    }

    fn consume(&mut self, amount: usize) {
        self.given.set(self.given.get() + amount as u64);
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Metered<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}
