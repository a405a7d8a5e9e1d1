//! The executor: claims runs, has the sandbox make attempts, settles them.
