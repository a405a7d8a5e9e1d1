//! The hatch.
/// One attempt's way out.
pub struct Hatch;
