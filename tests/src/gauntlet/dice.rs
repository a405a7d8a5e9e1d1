//! Dice: random numbers from a seed, so that a storm can be named.

/// See the module.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall the same way for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number.
    pub const fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from `least` to `most`, both included.
    ///
    /// # Panics
    ///
    /// `least` is more than `most`.
    pub const fn between(&mut self, least: u64, most: u64) -> u64 {
        assert!(least <= most, "a range has a beginning and an end");
        least + self.roll() % (most - least + 1)
    }

    /// Whether something happens that happens once in `of` times.
    pub const fn once_in(&mut self, of: u64) -> bool {
        self.roll().is_multiple_of(of)
    }
}
