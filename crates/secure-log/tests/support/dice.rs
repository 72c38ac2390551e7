//! Numbers that look random and are the same for the same seed.

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        // Seeds that are close to one another begin far apart.
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.roll(2);
        }
        dice
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % sides
    }

    /// An index of something with `length` items.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.roll(length as u64) as usize
    }

    /// True once in `sides`.
    pub(crate) fn chance(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}
