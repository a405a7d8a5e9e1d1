//! The ledger's metrics.
