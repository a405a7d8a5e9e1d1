//! `wasi:random`, seeded by the run: the same bytes at every attempt, and nothing to record.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use wasmtime::Result;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::state::State;

/// The most bytes in one call.
const BYTES_MAX: u64 = 64 << 10;

/// The streams of the one generator: what is drawn from one tells nothing of another.
const SECURE: u64 = 0;
const INSECURE: u64 = 1;
const SEED: u64 = 2;

/// An attempt's generators.
pub(crate) struct Random {
    pub(super) secure: ChaCha20Rng,
    pub(super) insecure: ChaCha20Rng,
    pub(super) seed: (u64, u64),
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let stream = |number| {
            let mut rng = ChaCha20Rng::from_seed(seed);
            rng.set_stream(number);
            rng
        };
        let mut of_the_seed = stream(SEED);
        Self {
            secure: stream(SECURE),
            insecure: stream(INSECURE),
            seed: (of_the_seed.next_u64(), of_the_seed.next_u64()),
        }
    }
}

fn bytes(rng: &mut ChaCha20Rng, len: u64) -> Result<Vec<u8>> {
    let len = usize::try_from(len).ok().filter(|_| len <= BYTES_MAX);
    let Some(len) = len else {
        wasmtime::bail!("more than {BYTES_MAX} random bytes were asked for in one call");
    };
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    Ok(bytes)
}

impl State {
    fn random(&mut self) -> &mut Random {
        self.random.get_or_insert_with(|| Random::new(self.hatch.seed()))
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        bytes(&mut self.random().secure, len)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.random().secure.next_u64())
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        bytes(&mut self.random().insecure, len)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.random().insecure.next_u64())
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok(self.random().seed)
    }
}
