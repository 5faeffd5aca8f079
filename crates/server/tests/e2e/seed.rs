//! Chance that can be had again.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Names the seed of every test that throws dice.
const SEED: &str = "QUITTANCE_TEST_SEED";
/// Says that big matrices run whole.
const EXHAUSTIVE: &str = "QUITTANCE_EXHAUSTIVE";

/// The seed, which is said, so that a failure shows it.
pub(crate) fn seed() -> u64 {
    let seed =
        std::env::var(SEED).ok().map_or(2_026, |text| text.parse().expect("a number in QUITTANCE_TEST_SEED"));
    println!("{SEED}={seed}");
    seed
}

/// Dice for one part of a test: the same for the same seed and part.
pub(crate) fn rng(seed: u64, part: usize) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(part as u64))
}

/// Whether big matrices run whole.
pub(crate) fn exhaustive() -> bool {
    std::env::var(EXHAUSTIVE).is_ok_and(|value| value == "1")
}
