//! Reproducible random numbers.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The environment variable with the seed of every randomized test.
const SEED: &str = "QUITTANCE_TEST_SEED";
/// The environment variable that runs large test matrices in full.
const EXHAUSTIVE: &str = "QUITTANCE_EXHAUSTIVE";

/// Returns the seed. Prints it, so that a failure shows it.
pub(crate) fn seed() -> u64 {
    let seed =
        std::env::var(SEED).ok().map_or(2_026, |text| text.parse().expect("a number in QUITTANCE_TEST_SEED"));
    println!("{SEED}={seed}");
    seed
}

/// Returns the random generator for one part of a test. The same seed and part give the same numbers.
pub(crate) fn rng(seed: u64, part: usize) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(part as u64))
}

/// Returns whether large test matrices run in full.
pub(crate) fn exhaustive() -> bool {
    std::env::var(EXHAUSTIVE).is_ok_and(|value| value == "1")
}
